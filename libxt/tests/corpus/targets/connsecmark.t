:INPUT
*mangle
-j CONNSECMARK;;FAIL
-j CONNSECMARK --save;=;OK
-j CONNSECMARK --restore;=;OK
-j CONNSECMARK --save --restore;;FAIL
-j CONNSECMARK --save --save;;FAIL
*filter
-j CONNSECMARK --save;;FAIL
