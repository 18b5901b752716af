@family 6
:INPUT,FORWARD,OUTPUT
-m hl --hl-eq 0;=;OK
-m hl --hl-eq 255;=;OK
-m hl ! --hl-eq 64;=;OK
-m hl --hl 0x10;-m hl --hl-eq 16;OK
-m hl --hl-lt 5;=;OK
-m hl --hl-gt 5;=;OK
-m hl;;FAIL
-m hl --hl-eq 256;;FAIL
-m hl --hl-eq -1;;FAIL
-m hl ! --hl-lt 5;;FAIL
-m hl --hl-lt 5 --hl-gt 3;;FAIL
-m hl --hl 5 --hl-eq 5;;FAIL
