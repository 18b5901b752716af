:INPUT
-j AUDIT;;FAIL
-j AUDIT --type accept;=;OK
-j AUDIT --type drop;=;OK
-j AUDIT --type reject;=;OK
-j AUDIT --type ACCEPT;-j AUDIT --type accept;OK
-j AUDIT --type acc;;FAIL
-j AUDIT --type "";;FAIL
-j AUDIT --type accept --type drop;;FAIL
-j AUDIT ! --type accept;;FAIL
