@family 4
:PREROUTING,INPUT,FORWARD,OUTPUT,POSTROUTING
*mangle
-j TTL --ttl-set 0;=;OK
-j TTL --ttl-set 255;=;OK
-j TTL --ttl-inc 1;=;OK
-j TTL --ttl-dec 255;=;OK
-j TTL;;FAIL
-j TTL --ttl-set 256;;FAIL
-j TTL --ttl-inc 0;;FAIL
-j TTL --ttl-dec 0;;FAIL
-j TTL --ttl-set 1 --ttl-inc 1;;FAIL
