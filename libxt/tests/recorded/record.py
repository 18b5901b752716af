#!/usr/bin/env python3
"""Records what the real legacy tools do with the rules of a list: bytes, -S, -L, errors.

Run as `unshare -n python3 record.py LIST CORPUS.t RECORD.rec`: LIST holds rules, `:chain`, `*table` and `ipv4`, `ipv6`
or `both` lines, as a corpus file does without its results.
"""
import ctypes, re, shlex, socket, struct, subprocess, sys

def entries(af, table):
    s = socket.socket(socket.AF_INET if af == 4 else socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    level = socket.IPPROTO_IP if af == 4 else socket.IPPROTO_IPV6
    info = s.getsockopt(level, 64, 84) if False else None
    libc = ctypes.CDLL(None, use_errno=True)
    buf = ctypes.create_string_buffer(84)
    struct.pack_into("32s", buf, 0, table.encode())
    n = ctypes.c_uint32(84)
    if libc.getsockopt(s.fileno(), level, 64, buf, ctypes.byref(n)): raise OSError(ctypes.get_errno(), "info")
    size = struct.unpack_from("I", buf, 80)[0]
    big = ctypes.create_string_buffer(40 + size)
    struct.pack_into("32sI", big, 0, table.encode(), size)
    n = ctypes.c_uint32(40 + size)
    if libc.getsockopt(s.fileno(), level, 65, big, ctypes.byref(n)): raise OSError(ctypes.get_errno(), "entries")
    blob = big.raw[40:]
    at, out = 0, []
    head = 112 if af == 4 else 168
    tail = 88 if af == 4 else 140
    while at < len(blob):
        to, no = struct.unpack_from("HH", blob, at + tail)
        out.append(blob[at:at + no]); at += no
    res = []
    for e in out:
        to, no = struct.unpack_from("HH", e, tail)
        parts, p = [], head
        while p < to:
            sz, name, rev = struct.unpack_from("H29sB", e, p)
            parts.append(("match", name.split(b"\0")[0].decode(), rev, e[p + 32:p + sz])); p += sz
        sz, name, rev = struct.unpack_from("H29sB", e, to)
        parts.append(("target", name.split(b"\0")[0].decode(), rev, e[to + 32:to + sz]))
        res.append(parts)
    return res

def squeeze(b):
    out, at = "", 0
    for m in re.finditer(rb"\0{9,}", b):
        out += b[at:m.start()].hex() + "(%d)" % len(m.group()); at = m.end()
    return out + b[at:].hex()

def esc(t): return t.replace("\\", "\\\\").replace("\n", "\\n")

def tail_of(line, af, numeric, dest):
    want = dest if dest else ("anywhere" if not numeric else ("0.0.0.0/0" if af == 4 else "::/0"))
    i = line.rfind(want.ljust(19) + " ")
    return None if i < 0 else line[i + 20:]

def family(af): return "@family " + ("both" if af == 46 else str(af))

def quoted(line):
    """The rule with double quotes and backslashes only, as the corpus wants it."""
    if "'" not in line: return line
    def word(w):
        if w and re.fullmatch(r"[\w.,:/=!-]+", w): return w
        return '"' + re.sub(r'(["\\\\])', r"\\\1", w) + '"'
    return " ".join(word(w) for w in shlex.split(line))

def o_any(outcome): return next(iter(outcome.values()))

def run(*a): return subprocess.run(a, capture_output=True, text=True, errors="surrogateescape")

def main(src, t, rec):
    af, table, chain = 46, "filter", "INPUT"
    tt, rr = [], []
    for line in open(src):
        line = line.rstrip("\n")
        if line == "" or line.startswith("#"): tt.append(line); continue
        if line in ("ipv4", "ipv6", "both"): af = {"ipv4": 4, "ipv6": 6, "both": 46}[line]; tt.append(family(af)); continue
        if line[0] == "*": table = line[1:]; tt.append(line); continue
        if line[0] == ":": chain = line[1:].split(",")[0]; tt.append(line); continue
        if line[0] == "@":
            subprocess.run(line[1:], shell=True); tt.append(line); continue
        outcome = {}
        for fam in ([4, 6] if af == 46 else [af]):
            tool = "iptables-legacy" if fam == 4 else "ip6tables-legacy"
            args = shlex.split(line)
            p = run(tool, "-t", table, "-A", chain, *args)
            rr.append("rule %d %s %s %s" % (fam, table, chain, line))
            if p.returncode:
                rr.append("exit %d" % p.returncode)
                rr.append("says %s" % esc(p.stderr))
                outcome[fam] = ";;FAIL"
                continue
            if p.stderr: rr.append("says %s" % esc(p.stderr))
            s = run(tool, "-t", table, "-S", chain).stdout.splitlines()[-1]
            saved = s[len("-A %s" % chain):].strip()
            ln = run(tool, "-t", table, "-L", chain, "-n").stdout.splitlines()[-1]
            ll = run(tool, "-t", table, "-L", chain).stdout.splitlines()[-1]
            es = entries(fam, table)
            mine = [e for e in es if e[-1][1] != "ERROR" and (len(e) > 1 or e[-1][1] != "" or len(e) == 1)]
            # the rule is the first of its chain that has a match or a non-standard target, else the one before the policy
            got = [e for e in es if any(x[1] not in ("", "ERROR") for x in e)]
            for kind, name, rev, info in (got[0] if got else []):
                if name: rr.append("%s %s %d %s" % (kind, name, rev, squeeze(info)))
            rr.append("save %s" % saved)
            for key, text, numeric in (("list", ll, False), ("numeric", ln, True)):
                cut = tail_of(text, fam, numeric, None)
                if cut is not None: rr.append("%s %s" % (key, cut))
            run(tool, "-t", table, "-F")
            o = ";=;OK" if saved == quoted(line) else ";%s;OK" % saved
            outcome[fam] = o
        if len(set(outcome.values())) == 1:
            tt.append(quoted(line) + o_any(outcome))
        else:
            tt += [family(4), quoted(line) + outcome[4], family(6), quoted(line) + outcome[6], family(46)]
    open(t, "w").write("\n".join(tt) + "\n")
    open(rec, "w").write("\n".join(rr) + "\n")

main(*sys.argv[1:4])
