:INPUT,FORWARD,OUTPUT
-m iprange;;FAIL
@family 4
-m iprange --src-range 1.1.1.1-1.1.1.10;=;OK
-m iprange ! --src-range 1.1.1.1-1.1.1.10;=;OK
-m iprange --dst-range 1.1.1.1-1.1.1.10;=;OK
-m iprange ! --dst-range 1.1.1.1-1.1.1.10;=;OK
-m iprange --src-range 1.1.1.1;-m iprange --src-range 1.1.1.1-1.1.1.1;OK
-m iprange --src-range 1.1.1.10-1.1.1.1;=;OK
-m iprange --src-range 1.1.1.1-;;FAIL
-m iprange --src-range -1.1.1.1;;FAIL
-m iprange --src-range 1.1.1.1-1.1.1.300;;FAIL
-m iprange --src-range foo-bar;;FAIL
-m iprange --src-range "";;FAIL
-m iprange --src-range ::1-::2;;FAIL
-m iprange --src-range 1.1.1.1-1.1.1.2 --dst-range 2.2.2.2-2.2.2.3;=;OK
-m iprange --src-range 1.1.1.1-1.1.1.2 --src-range 2.2.2.2-2.2.2.3;;FAIL
@family 6
-m iprange --src-range fe80::1-fe80::10;=;OK
-m iprange ! --dst-range fe80::1-fe80::10;=;OK
-m iprange --dst-range fe80::1;-m iprange --dst-range fe80::1-fe80::1;OK
-m iprange --src-range fe80::10-fe80::1;=;OK
-m iprange --src-range 1.1.1.1-1.1.1.2;;FAIL
