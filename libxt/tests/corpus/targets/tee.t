:INPUT,FORWARD,OUTPUT
-j TEE;;FAIL
@family 4
-j TEE --gateway 1.1.1.1;=;OK
-j TEE --gateway 1.1.1.1 --oif lo;=;OK
-j TEE --gateway ::1;;FAIL
-j TEE --gateway 1.1.1.1 --oif 1234567890123456;-j TEE --gateway 1.1.1.1 --oif 123456789012345;OK
-j TEE --gateway 1.1.1.1 --oif "";-j TEE --gateway 1.1.1.1;OK
-j TEE --oif lo;;FAIL
-j TEE ! --gateway 1.1.1.1;;FAIL
@family 6
-j TEE --gateway 2001:db8::1;=;OK
-j TEE --gateway 2001:db8::1 --oif lo;=;OK
-j TEE --gateway 1.1.1.1;;FAIL
