@family 4
:INPUT,FORWARD,OUTPUT
-m ttl --ttl-eq 0;=;OK
-m ttl --ttl-eq 255;=;OK
-m ttl ! --ttl-eq 64;=;OK
-m ttl --ttl 0x10;-m ttl --ttl-eq 16;OK
-m ttl --ttl-lt 5;=;OK
-m ttl --ttl-gt 5;=;OK
-m ttl;;FAIL
-m ttl --ttl-eq 256;;FAIL
-m ttl --ttl-eq -1;;FAIL
-m ttl ! --ttl-lt 5;;FAIL
-m ttl --ttl-lt 5 --ttl-gt 3;;FAIL
-m ttl --ttl 5 --ttl-eq 5;;FAIL
