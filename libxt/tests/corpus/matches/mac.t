:INPUT,FORWARD
-m mac;;FAIL
-m mac --mac-source 42:01:02:03:04:05;=;OK
-m mac ! --mac-source 42:01:02:03:04:05;=;OK
-m mac --mac-source 42:01:02:03:04;;FAIL
-m mac --mac-source 42:1:2:3:4:A;-m mac --mac-source 42:01:02:03:04:0a;OK
-m mac --mac-source AA:BB:CC:DD:EE:FF;-m mac --mac-source aa:bb:cc:dd:ee:ff;OK
-m mac --mac-source 42:01:02:03:04:05:06;;FAIL
-m mac --mac-source 42-01-02-03-04-05;;FAIL
-m mac --mac-source xx:01:02:03:04:05;;FAIL
-m mac --mac-source 142:01:02:03:04:05;;FAIL
-m mac --mac-source 042:01:02:03:04:05;;FAIL
-m mac --mac-source -2:+1:2:3:4:;-m mac --mac-source fe:01:02:03:04:00;OK
-m mac --mac-source "";;FAIL
-m mac --mac-source 0:0:0:0:0:0 --mac-source 0:0:0:0:0:0;;FAIL
:OUTPUT
-m mac --mac-source 42:01:02:03:04:05;;FAIL
