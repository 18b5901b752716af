*nat
:POSTROUTING
@family 4
-j SNAT --to-source 1.1.1.1;=;OK
-j SNAT --to-source 1.1.1.1-1.1.1.10;=;OK
-j SNAT --to-source 1.1.1.10-1.1.1.1;=;OK
-p tcp -j SNAT --to-source 1.1.1.1:1025-65535;=;OK
-p tcp -j SNAT --to-source 1.1.1.1:80;=;OK
-p tcp -j SNAT --to-source :1025;=;OK
-p tcp -j SNAT --to-source :1025-2000;=;OK
-p udp -j SNAT --to-source 1.1.1.1-1.1.1.10:1025-65535;=;OK
-p sctp -j SNAT --to-source 1.1.1.1:80;=;OK
-p dccp -j SNAT --to-source 1.1.1.1:80;=;OK
-p icmp -j SNAT --to-source 1.1.1.1:80;=;OK
-p udplite -j SNAT --to-source 1.1.1.1:80;;FAIL
-j SNAT --to-source 1.1.1.1:80;;FAIL
! -p tcp -j SNAT --to-source 1.1.1.1:80;=;OK
-p tcp -j SNAT --to-source 1.1.1.1:0;=;OK
-p tcp -j SNAT --to-source 1.1.1.1:65536;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:1025-65536;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:80-70;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:80:90;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:a;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:80-a;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:80-90/5;-p tcp -j SNAT --to-source 1.1.1.1:80-90/0;OK
-p tcp -j SNAT --to-source 1.1.1.1:http;-p tcp -j SNAT --to-source 1.1.1.1:80;OK
-p tcp -j SNAT --to-source 1.1.1.1:;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:80-;;FAIL
-j SNAT --to-source 1.1.1.300;;FAIL
-j SNAT --to-source 1.1.1.1-;;FAIL
-j SNAT --to-source -1.1.1.1;;FAIL
-j SNAT --to-source foo;;FAIL
-j SNAT --to-source "";;FAIL
-j SNAT --to-source 1.1.1.1 --random;=;OK
-j SNAT --to-source 1.1.1.1 --random-fully;=;OK
-j SNAT --to-source 1.1.1.1 --persistent;=;OK
-j SNAT --random --to-source 1.1.1.1 --random-fully --persistent;-j SNAT --to-source 1.1.1.1 --random --random-fully --persistent;OK
-j SNAT --to-source 1.1.1.1 --random --random;;FAIL
-j SNAT --random;;FAIL
-j SNAT;;FAIL
-j SNAT --to-source 1.1.1.1 --to-source 2.2.2.2;;FAIL
-j SNAT ! --to-source 1.1.1.1;;FAIL
-p tcp -j SNAT --to-source :80 --random-fully;=;OK
-p tcp -j SNAT --to-source 0x10;;FAIL
-p tcp -j SNAT --to-source :0x10;-p tcp -j SNAT --to-source :16;OK
@family 6
-j SNAT --to-source dead::beef;=;OK
-j SNAT --to-source dead::beef-dead::fee7;=;OK
-p tcp -j SNAT --to-source [dead::beef]:1025-65535;=;OK
-p tcp -j SNAT --to-source [dead::beef];-p tcp -j SNAT --to-source dead::beef;OK
-p tcp -j SNAT --to-source [dead::beef]:80;=;OK
-p tcp -j SNAT --to-source :80;=;OK
-p tcp -j SNAT --to-source [dead::beef-dead::fee7]:1025-65535;=;OK
-p tcp -j SNAT --to-source [dead::beef]-[dead::fee7]:1025-65535;;FAIL
-p tcp -j SNAT --to-source [dead::beef]:65536;;FAIL
-p tcp -j SNAT --to-source [dead::beef;;FAIL
-p tcp -j SNAT --to-source [dead::beef]80;-p tcp -j SNAT --to-source dead::beef;OK
-p tcp -j SNAT --to-source dead::beef:80;=;OK
-j SNAT --to-source [dead::beef]:80;;FAIL
-j SNAT --to-source 1.2.3.4;;FAIL
-j SNAT --to-source dead::beef --random --persistent --random-fully;-j SNAT --to-source dead::beef --random --random-fully --persistent;OK
-j SNAT --to-source dead::beef --to-source dead::bee0;;FAIL
-j SNAT;;FAIL
*filter
:INPUT
-j SNAT --to-source dead::beef;;FAIL
