*mangle
:PREROUTING,FORWARD
-j TCPOPTSTRIP;;FAIL
-p tcp -j TCPOPTSTRIP;=;OK
-p tcp -j TCPOPTSTRIP --strip-options 2,3,4,5,6,7;=;OK
-p tcp -j TCPOPTSTRIP --strip-options sack,md5;-p tcp -j TCPOPTSTRIP --strip-options 5,19;OK
-p tcp -j TCPOPTSTRIP --strip-options wscale,mss,sack-permitted,timestamp;-p tcp -j TCPOPTSTRIP --strip-options 2,3,4,8;OK
-p tcp -j TCPOPTSTRIP --strip-options 0;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 1;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 255;=;OK
-p tcp -j TCPOPTSTRIP --strip-options 256;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options foo;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options "";;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 2,;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 2,2;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 2 --strip-options 3;;FAIL
-j TCPOPTSTRIP --strip-options 2;;FAIL
