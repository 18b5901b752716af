:PREROUTING,INPUT,OUTPUT,POSTROUTING
*nat
@family 4
-j NETMAP --to 1.2.3.0/24;=;OK
@family 6
-j NETMAP --to 1.2.3.0/24;;FAIL
@family both
@family 4
-j NETMAP --to 1.2.3.4;-j NETMAP --to 1.2.3.4/32;OK
@family 6
-j NETMAP --to 1.2.3.4;;FAIL
@family both
@family 4
-j NETMAP --to 1.2.3.4/255.255.0.0;-j NETMAP --to 1.2.0.0/16;OK
@family 6
-j NETMAP --to 1.2.3.4/255.255.0.0;;FAIL
@family both
@family 4
-j NETMAP --to 0.0.0.0/0;=;OK
@family 6
-j NETMAP --to 0.0.0.0/0;;FAIL
@family both
-j NETMAP;;FAIL
-j NETMAP --to 1.2.3.4/x;;FAIL
