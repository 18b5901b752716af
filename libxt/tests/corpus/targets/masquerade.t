*nat
:POSTROUTING
-j MASQUERADE;=;OK
-j MASQUERADE --random;=;OK
-j MASQUERADE --random-fully;=;OK
-j MASQUERADE --random --random-fully;=;OK
-p tcp -j MASQUERADE --to-ports 1024;=;OK
-p tcp -j MASQUERADE --to-ports 1024-65535;=;OK
-p udp -j MASQUERADE --to-ports 1024-65535 --random;=;OK
-p tcp -j MASQUERADE --to-ports 1024-65536;;FAIL
-p tcp -j MASQUERADE --to-ports 65536;;FAIL
-p tcp -j MASQUERADE --to-ports 90-80;;FAIL
-p tcp -j MASQUERADE --to-ports a;;FAIL
-p tcp -j MASQUERADE --to-ports 80-a;;FAIL
-p tcp -j MASQUERADE --to-ports 80:90;;FAIL
-p tcp -j MASQUERADE --to-ports 80,90;;FAIL
-p tcp -j MASQUERADE --to-ports 0;=;OK
-p tcp -j MASQUERADE --to-ports http;-p tcp -j MASQUERADE --to-ports 80;OK
-p tcp -j MASQUERADE --to-ports "";;FAIL
-p tcp -j MASQUERADE --to-ports 80-90/85;-p tcp -j MASQUERADE --to-ports 80-90/0;OK
-p tcp -j MASQUERADE --to-ports -1;;FAIL
-j MASQUERADE --to-ports 80;;FAIL
-p icmp -j MASQUERADE --to-ports 80;=;OK
! -p tcp -j MASQUERADE --to-ports 80;=;OK
-p tcp -j MASQUERADE --to-ports 80 --to-ports 90;;FAIL
-j MASQUERADE --persistent;;FAIL
-j MASQUERADE ! --random;;FAIL
*filter
:INPUT
-j MASQUERADE;;FAIL
