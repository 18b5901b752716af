:INPUT
-m addrtype;;FAIL
-m addrtype --src-type wrong;;FAIL
-m addrtype --src-type UNICAST;=;OK
-m addrtype ! --src-type LOCAL;=;OK
-m addrtype --dst-type local;-m addrtype --dst-type LOCAL;OK
@family 4
-m addrtype --dst-type UNSPEC,UNICAST,LOCAL,BLACKHOLE,UNREACHABLE,PROHIBIT;=;OK
@family 6
-m addrtype --dst-type UNSPEC,UNICAST,LOCAL,BLACKHOLE,UNREACHABLE,PROHIBIT;;FAIL
@family both
-m addrtype --src-type UNICAST,;;FAIL
-m addrtype --src-type "";;FAIL
-m addrtype --src-type LOCAL --src-type LOCAL;;FAIL
-m addrtype --src-type LOCAL ! --dst-type UNICAST --limit-iface-in;=;OK
-m addrtype --limit-iface-in;;FAIL
-m addrtype --src-type LOCAL --limit-iface-out;;FAIL
-m addrtype --src-type LOCAL --limit-iface-in --limit-iface-out;;FAIL
-m addrtype --src-type LOCAL ! --limit-iface-in;;FAIL
@family 4
-m addrtype --dst-type BROADCAST,ANYCAST,MULTICAST;=;OK
-m addrtype --dst-type THROW;=;OK
-m addrtype --dst-type NAT;=;OK
-m addrtype --dst-type XRESOLVE;=;OK
@family 6
-m addrtype --dst-type ANYCAST,MULTICAST;=;OK
-m addrtype --dst-type BROADCAST;;FAIL
@family 4
:OUTPUT
-m addrtype --src-type LOCAL --limit-iface-out;=;OK
-m addrtype --src-type LOCAL --limit-iface-in;;FAIL
:FORWARD
-m addrtype --src-type LOCAL --limit-iface-in;=;OK
