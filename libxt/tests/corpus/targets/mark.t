*mangle
:PREROUTING,OUTPUT
-j MARK --set-xmark 0xfeedcafe/0xfeedcafe;=;OK
-j MARK --set-xmark 0;-j MARK --set-xmark 0x0/0xffffffff;OK
-j MARK --set-xmark 0x1/0xffffffff;=;OK
-j MARK --set-mark 1;-j MARK --set-xmark 0x1/0xffffffff;OK
-j MARK --set-mark 1/2;-j MARK --set-xmark 0x1/0x3;OK
-j MARK --set-mark 0x10/0xf0;-j MARK --set-xmark 0x10/0xf0;OK
-j MARK --set-mark 4294967296;;FAIL
-j MARK --set-mark x;;FAIL
-j MARK --set-mark 1/;;FAIL
-j MARK --and-mark 5;-j MARK --set-xmark 0x0/0xfffffffa;OK
-j MARK --and-mark 0;-j MARK --set-xmark 0x0/0xffffffff;OK
-j MARK --and-mark 4294967295;-j MARK --set-xmark 0x0/0x0;OK
-j MARK --and-mark 4294967296;;FAIL
-j MARK --and-mark 5/6;;FAIL
-j MARK --or-mark 5;-j MARK --set-xmark 0x5/0x5;OK
-j MARK --or-mark 0;-j MARK --set-xmark 0x0/0x0;OK
-j MARK --or-mark x;;FAIL
-j MARK --xor-mark 5;-j MARK --set-xmark 0x5/0x0;OK
-j MARK --xor-mark 0;-j MARK --set-xmark 0x0/0x0;OK
-j MARK --set-xmark 5/0;-j MARK --set-xmark 0x5/0x0;OK
-j MARK --set-xmark 0/0;-j MARK --set-xmark 0x0/0x0;OK
-j MARK --set-xmark 6/7;-j MARK --set-xmark 0x6/0x7;OK
-j MARK --set-mark 1 --or-mark 2;;FAIL
-j MARK --or-mark 1 --set-mark 1;;FAIL
-j MARK --set-mark 1 --set-mark 2;;FAIL
-j MARK ! --set-mark 1;;FAIL
-j MARK;;FAIL
*filter
:INPUT
-j MARK --set-mark 1;-j MARK --set-xmark 0x1/0xffffffff;OK
