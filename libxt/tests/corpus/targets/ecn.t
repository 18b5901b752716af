*mangle
:PREROUTING,FORWARD
@family 4
-j ECN;;FAIL
-j ECN --ecn-tcp-remove;;FAIL
-p tcp -j ECN --ecn-tcp-remove;=;OK
! -p tcp -j ECN --ecn-tcp-remove;;FAIL
-p tcp -j ECN --ecn-tcp-cwr 0;=;OK
-p tcp -j ECN --ecn-tcp-cwr 1;=;OK
-p tcp -j ECN --ecn-tcp-cwr 2;;FAIL
-p tcp -j ECN --ecn-tcp-ece 1;=;OK
-p tcp -j ECN --ecn-tcp-ece 0 --ecn-tcp-cwr 1;=;OK
-p tcp -j ECN --ecn-ip-ect 0;=;OK
-j ECN --ecn-ip-ect 2;=;OK
-j ECN --ecn-ip-ect 4;;FAIL
-p tcp -j ECN --ecn-ip-ect 1 --ecn-tcp-cwr 1;-p tcp -j ECN --ecn-tcp-cwr 1 --ecn-ip-ect 1;OK
-p tcp -j ECN --ecn-tcp-remove --ecn-tcp-cwr 1;;FAIL
