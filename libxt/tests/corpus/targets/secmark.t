:INPUT
*mangle
-j SECMARK;;FAIL
-j SECMARK --selctx system_u:object_r:httpd_packet_t:s0;;FAIL
-j SECMARK --selctx a;;FAIL
-j SECMARK --selctx a --selctx b;;FAIL
-j SECMARK --selctx xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;;FAIL
*filter
-j SECMARK --selctx a;;FAIL
