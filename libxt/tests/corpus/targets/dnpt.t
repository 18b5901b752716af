@family 6
*mangle
:PREROUTING
-j DNPT;;FAIL
-j DNPT --src-pfx a::/64;;FAIL
-j DNPT --dst-pfx a::/64;;FAIL
-j DNPT --src-pfx a::/64 --dst-pfx b::/64;=;OK
-j DNPT --src-pfx a::1/64 --dst-pfx b::/48;;FAIL
-j DNPT --src-pfx a::/65 --dst-pfx b::/64;;FAIL
-j DNPT --src-pfx a:: --dst-pfx b::;;FAIL
-j DNPT --src-pfx a::/0 --dst-pfx b::/0;;FAIL
-j DNPT --src-pfx a::/129 --dst-pfx b::/64;;FAIL
-j DNPT --src-pfx a::/ffff:: --dst-pfx b::/64;-j DNPT --src-pfx a::/16 --dst-pfx b::/64;OK
-j DNPT --src-pfx a::/64 --src-pfx a::/64 --dst-pfx b::/64;;FAIL
*filter
:INPUT
-j DNPT --src-pfx a::/64 --dst-pfx b::/64;;FAIL
