*mangle
:FORWARD,OUTPUT,POSTROUTING
-j CLASSIFY;;FAIL
-j CLASSIFY --set-class 0000:ffff;=;OK
-j CLASSIFY --set-class 1:2;-j CLASSIFY --set-class 0001:0002;OK
-j CLASSIFY --set-class ffff:0;-j CLASSIFY --set-class ffff:0000;OK
-j CLASSIFY --set-class 10000:0;-j CLASSIFY --set-class 0000:0000;OK
-j CLASSIFY --set-class 1;;FAIL
-j CLASSIFY --set-class 1:;;FAIL
-j CLASSIFY --set-class :1;;FAIL
-j CLASSIFY --set-class x:1;;FAIL
-j CLASSIFY --set-class 1:x;;FAIL
-j CLASSIFY --set-class 1:2:3;-j CLASSIFY --set-class 0001:0002;OK
-j CLASSIFY --set-class 0x1:0x2;-j CLASSIFY --set-class 0001:0002;OK
-j CLASSIFY --set-class -1:-1;-j CLASSIFY --set-class ffff:ffff;OK
:PREROUTING
-j CLASSIFY --set-class 1:2;;FAIL
