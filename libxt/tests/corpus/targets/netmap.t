:PREROUTING,INPUT,OUTPUT,POSTROUTING
*nat
ipv4
-j NETMAP --to 1.2.3.0/24;=;OK
ipv6
-j NETMAP --to 1.2.3.0/24;;FAIL
both
ipv4
-j NETMAP --to 1.2.3.4;-j NETMAP --to 1.2.3.4/32;OK
ipv6
-j NETMAP --to 1.2.3.4;;FAIL
both
ipv4
-j NETMAP --to 1.2.3.4/255.255.0.0;-j NETMAP --to 1.2.0.0/16;OK
ipv6
-j NETMAP --to 1.2.3.4/255.255.0.0;;FAIL
both
ipv4
-j NETMAP --to 0.0.0.0/0;=;OK
ipv6
-j NETMAP --to 0.0.0.0/0;;FAIL
both
-j NETMAP;;FAIL
-j NETMAP --to 1.2.3.4/x;;FAIL
