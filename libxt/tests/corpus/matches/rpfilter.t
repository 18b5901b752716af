:PREROUTING
*raw
-m rpfilter;=;OK
-m rpfilter --loose;=;OK
-m rpfilter --validmark;=;OK
-m rpfilter --accept-local;=;OK
-m rpfilter --invert;=;OK
-m rpfilter --loose --validmark --accept-local --invert;=;OK
-m rpfilter ! --loose;;FAIL
-m rpfilter --loose --loose;;FAIL
:OUTPUT
-m rpfilter;;FAIL
*filter
:INPUT
-m rpfilter;;FAIL
