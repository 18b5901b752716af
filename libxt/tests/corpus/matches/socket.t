:INPUT
*mangle
-m socket;=;OK
-m socket --transparent;=;OK
-m socket --nowildcard;=;OK
-m socket --restore-skmark;=;OK
-m socket --transparent --nowildcard --restore-skmark;=;OK
-m socket ! --transparent;;FAIL
-m socket --transparent --transparent;;FAIL
*filter
-m socket;=;OK
