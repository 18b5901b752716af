:INPUT,FORWARD,OUTPUT
-m helper;;FAIL
-m helper --helper ftp;=;OK
-m helper ! --helper ftp;=;OK
-m helper --helper "a b";=;OK
-m helper --helper "";=;OK
-m helper --helper ftp-2121;=;OK
-m helper --helper 123456789012345678901234567890;-m helper --helper 12345678901234567890123456789;OK
-m helper --helper ftp --helper irc;;FAIL
