:INPUT,FORWARD,OUTPUT
-m connlimit;;FAIL
@family 4
-m connlimit --connlimit-upto 0;-m connlimit --connlimit-upto 0 --connlimit-mask 32 --connlimit-saddr;OK
@family 6
-m connlimit --connlimit-upto 0;-m connlimit --connlimit-upto 0 --connlimit-mask 128 --connlimit-saddr;OK
@family both
@family 4
-m connlimit --connlimit-upto 4294967295;-m connlimit --connlimit-upto 4294967295 --connlimit-mask 32 --connlimit-saddr;OK
@family 6
-m connlimit --connlimit-upto 4294967295;-m connlimit --connlimit-upto 4294967295 --connlimit-mask 128 --connlimit-saddr;OK
@family both
-m connlimit --connlimit-upto 4294967296;;FAIL
-m connlimit --connlimit-upto -1;;FAIL
@family 4
-m connlimit --connlimit-above 0;-m connlimit --connlimit-above 0 --connlimit-mask 32 --connlimit-saddr;OK
@family 6
-m connlimit --connlimit-above 0;-m connlimit --connlimit-above 0 --connlimit-mask 128 --connlimit-saddr;OK
@family both
@family 4
-m connlimit --connlimit-above 10;-m connlimit --connlimit-above 10 --connlimit-mask 32 --connlimit-saddr;OK
@family 6
-m connlimit --connlimit-above 10;-m connlimit --connlimit-above 10 --connlimit-mask 128 --connlimit-saddr;OK
@family both
@family 4
-m connlimit ! --connlimit-above 10;-m connlimit --connlimit-upto 10 --connlimit-mask 32 --connlimit-saddr;OK
@family 6
-m connlimit ! --connlimit-above 10;-m connlimit --connlimit-upto 10 --connlimit-mask 128 --connlimit-saddr;OK
@family both
@family 4
-m connlimit ! --connlimit-upto 10;-m connlimit --connlimit-above 10 --connlimit-mask 32 --connlimit-saddr;OK
@family 6
-m connlimit ! --connlimit-upto 10;-m connlimit --connlimit-above 10 --connlimit-mask 128 --connlimit-saddr;OK
@family both
-m connlimit --connlimit-upto 1 --connlimit-above 2;;FAIL
@family 4
-m connlimit --connlimit-above 10 --connlimit-saddr;-m connlimit --connlimit-above 10 --connlimit-mask 32 --connlimit-saddr;OK
@family 6
-m connlimit --connlimit-above 10 --connlimit-saddr;-m connlimit --connlimit-above 10 --connlimit-mask 128 --connlimit-saddr;OK
@family both
@family 4
-m connlimit --connlimit-above 10 --connlimit-daddr;-m connlimit --connlimit-above 10 --connlimit-mask 32 --connlimit-daddr;OK
@family 6
-m connlimit --connlimit-above 10 --connlimit-daddr;-m connlimit --connlimit-above 10 --connlimit-mask 128 --connlimit-daddr;OK
@family both
-m connlimit --connlimit-above 10 --connlimit-saddr --connlimit-daddr;;FAIL
-m connlimit --connlimit-mask 24;;FAIL
-m connlimit --connlimit-above 10 --connlimit-mask 24;-m connlimit --connlimit-above 10 --connlimit-mask 24 --connlimit-saddr;OK
-m connlimit --connlimit-above 10 --connlimit-mask 0;-m connlimit --connlimit-above 10 --connlimit-mask 0 --connlimit-saddr;OK
-m connlimit --connlimit-above 10 --connlimit-mask 32;-m connlimit --connlimit-above 10 --connlimit-mask 32 --connlimit-saddr;OK
-m connlimit --connlimit-above 10 --connlimit-mask 24 --connlimit-daddr;=;OK
-m connlimit --connlimit-above 10 --connlimit-above 11;;FAIL
@family 4
-m connlimit --connlimit-above 10 --connlimit-mask 33;-m connlimit --connlimit-above 10 --connlimit-mask 32 --connlimit-saddr;OK
-m connlimit --connlimit-above 10 --connlimit-mask 255.255.0.0;-m connlimit --connlimit-above 10 --connlimit-mask 16 --connlimit-saddr;OK
@family 6
-m connlimit --connlimit-above 10 --connlimit-mask 128;-m connlimit --connlimit-above 10 --connlimit-mask 128 --connlimit-saddr;OK
-m connlimit --connlimit-above 10 --connlimit-mask 129;;FAIL
