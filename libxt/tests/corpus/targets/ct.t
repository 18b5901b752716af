*raw
:PREROUTING,OUTPUT
-j CT --notrack;=;OK
-j CT;=;OK
-j CT --zone 0;-j CT;OK
-j CT --zone 5;=;OK
-j CT --zone 65535;=;OK
-j CT --zone 65536;;FAIL
-j CT --zone a;;FAIL
-j CT --zone mark;=;OK
-j CT --zone-orig 5;=;OK
-j CT --zone-orig mark;=;OK
-j CT --zone-reply 6;=;OK
-j CT --zone-reply mark;=;OK
-j CT --zone-orig 5 --zone-reply 6;-j CT --zone 6;OK
-j CT --zone 5 --zone-orig 6;-j CT --zone-orig 6;OK
-j CT --ctevents new;=;OK
-j CT --ctevents new,related,destroy,reply,assured,protoinfo,helper,mark,natseqinfo,secmark;=;OK
-j CT --ctevents foo;;FAIL
-j CT --ctevents "";;FAIL
-j CT --ctevents NEW;;FAIL
-j CT --expevents new;=;OK
-j CT --expevents foo;;FAIL
-j CT --ctevents new --expevents new;=;OK
-j CT --notrack --zone 5;=;OK
-j CT --helper ftp;;FAIL
-p tcp -j CT --helper ftp;=;OK
-p udp -j CT --helper amanda;=;OK
-p tcp -j CT --helper amanda;;FAIL
-p tcp -j CT --helper Q.931;=;OK
-p udp -j CT --helper Q.931;;FAIL
-p udp -j CT --helper RAS;=;OK
-p tcp -j CT --helper RAS;;FAIL
-p tcp -j CT --helper H.245;;FAIL
-p tcp -j CT --helper sane;=;OK
-p tcp -j CT --helper sip;=;OK
-p udp -j CT --helper sip;=;OK
-p sctp -j CT --helper sip;;FAIL
-p udp -j CT --helper sane;;FAIL
-p tcp -j CT --helper nosuchhelper;;FAIL
-p tcp -j CT --helper 12345678901234567;;FAIL
-p tcp -j CT --helper 1234567890123456;;FAIL
-p tcp -j CT --timeout foo;;FAIL
-p tcp -j CT --helper ftp --timeout foo;;FAIL
-j CT --notrack --notrack;;FAIL
-j CT ! --notrack;;FAIL
@family 4
-p tcp -j CT --helper irc;=;OK
-p udp -j CT --helper netbios-ns;=;OK
-p tcp -j CT --helper pptp;=;OK
-p udp -j CT --helper snmp;=;OK
-p udp -j CT --helper snmp_trap;=;OK
@family 6
-p tcp -j CT --helper irc;;FAIL
@family both
*filter
:INPUT
-j CT --notrack;;FAIL
