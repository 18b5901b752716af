:PREROUTING,INPUT,FORWARD,OUTPUT,POSTROUTING
*mangle
-m connmark --mark 0xffffffff;=;OK
-m connmark --mark 0xffffffff/0xfffffffe;=;OK
-m connmark ! --mark 1/2;-m connmark ! --mark 0x1/0x2;OK
-m connmark --mark 0;-m connmark --mark 0x0;OK
-m connmark;;FAIL
-m connmark --mark x;;FAIL
-m connmark --mark 1/x;;FAIL
-m connmark --mark 0x100000000;;FAIL
