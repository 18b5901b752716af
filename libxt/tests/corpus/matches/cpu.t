:OUTPUT
-m cpu;;FAIL
-m cpu --cpu 0;=;OK
-m cpu ! --cpu 3;=;OK
-m cpu --cpu 0x10;-m cpu --cpu 16;OK
-m cpu --cpu 4294967295;=;OK
-m cpu --cpu 4294967296;;FAIL
-m cpu --cpu -1;;FAIL
-m cpu --cpu x;;FAIL
-m cpu --cpu 1 --cpu 2;;FAIL
