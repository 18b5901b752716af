:PREROUTING,INPUT,FORWARD,OUTPUT,POSTROUTING
*mangle
-j CONNMARK --set-xmark 0xfeedcafe/0xdeadbeef;=;OK
-j CONNMARK --set-mark 1/2;-j CONNMARK --set-xmark 0x1/0x3;OK
-j CONNMARK --set-mark 0;-j CONNMARK --set-xmark 0x0/0xffffffff;OK
-j CONNMARK --and-mark 1;-j CONNMARK --set-xmark 0x0/0xfffffffe;OK
-j CONNMARK --or-mark 1;-j CONNMARK --set-xmark 0x1/0x1;OK
-j CONNMARK --xor-mark 1;-j CONNMARK --set-xmark 0x1/0x0;OK
-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff;=;OK
-j CONNMARK --save-mark --mask 0xff;-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff;OK
-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff00 --right-shift-mark 8;=;OK
-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff --left-shift-mark 32;;FAIL
-j CONNMARK;;FAIL
-j CONNMARK --mask 1;;FAIL
-j CONNMARK --set-mark x;;FAIL
-j CONNMARK --save-mark --restore-mark;;FAIL
-j CONNMARK --save-mark --mask 1 --nfmask 2;;FAIL
-j CONNMARK --save-mark --left-shift-mark 33;;FAIL
