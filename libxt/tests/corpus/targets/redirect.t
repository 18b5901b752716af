*nat
:PREROUTING,OUTPUT
-j REDIRECT;=;OK
-j REDIRECT --random;=;OK
-p tcp -j REDIRECT --to-ports 42;=;OK
-p udp -j REDIRECT --to-ports 42-1234;=;OK
-p tcp -j REDIRECT --to-ports 42-1234 --random;=;OK
-p tcp -j REDIRECT --to-ports 10000-20000 --random;=;OK
-p tcp -j REDIRECT --to-ports 10000-20000/10500;;FAIL
-p tcp -j REDIRECT --to-ports 10000-65536;;FAIL
-p tcp -j REDIRECT --to-ports 65536;;FAIL
-p tcp -j REDIRECT --to-ports 20-10;;FAIL
-p tcp -j REDIRECT --to-ports a;;FAIL
-p tcp -j REDIRECT --to-ports http;-p tcp -j REDIRECT --to-ports 80;OK
-p tcp -j REDIRECT --to-ports ssh-http;;FAIL
-p udp -j REDIRECT --to-ports domain;-p udp -j REDIRECT --to-ports 53;OK
-p tcp -j REDIRECT --to-ports tftp;-p tcp -j REDIRECT --to-ports 69;OK
-p tcp -j REDIRECT --to-ports 80:90;;FAIL
-p tcp -j REDIRECT --to-ports 0;=;OK
-p tcp -j REDIRECT --to-ports "";;FAIL
-p tcp -j REDIRECT --to-ports -1;;FAIL
-j REDIRECT --to-ports 80;;FAIL
-p icmp -j REDIRECT --to-ports 80;=;OK
! -p tcp -j REDIRECT --to-ports 80;=;OK
-p tcp -j REDIRECT --to-ports 80 --to-ports 90;;FAIL
-p sctp -j REDIRECT --to-ports 80;=;OK
-p dccp -j REDIRECT --to-ports 80;=;OK
-p tcp -j REDIRECT --to-port 80;-p tcp -j REDIRECT --to-ports 80;OK
-j REDIRECT --random-fully;;FAIL
*filter
:INPUT
-j REDIRECT;;FAIL
