:INPUT
-m policy;;FAIL
-m policy --dir in;-m policy --dir in --pol ipsec;OK
-m policy --dir both;;FAIL
-m policy --dir in --pol none;=;OK
-m policy --dir in --pol ipsec;=;OK
-m policy --pol ipsec;;FAIL
-m policy --dir in --pol foo;;FAIL
-m policy --dir in --pol none --strict;;FAIL
-m policy --dir in --pol none --proto esp;-m policy --dir in --pol none;OK
-m policy --dir in --pol ipsec --proto esp;=;OK
-m policy --dir in --pol ipsec --proto 50;-m policy --dir in --pol ipsec --proto esp;OK
-m policy --dir in --pol ipsec --proto ah;=;OK
-m policy --dir in --pol ipsec --proto comp;;FAIL
-m policy --dir in --pol ipsec --proto ipcomp;=;OK
-m policy --dir in --pol ipsec --proto tcp;;FAIL
-m policy --dir in --pol ipsec --proto nosuch;;FAIL
-m policy --dir in --pol ipsec --mode tunnel;=;OK
-m policy --dir in --pol ipsec --mode transport;=;OK
-m policy --dir in --pol ipsec --mode beet;;FAIL
-m policy --dir in --pol ipsec ! --mode tunnel ! --proto esp ! --reqid 3 ! --spi 0x10;-m policy --dir in --pol ipsec ! --reqid 3 ! --spi 0x10 ! --proto esp ! --mode tunnel;OK
-m policy --dir in --pol ipsec --reqid x;;FAIL
-m policy --dir in --pol ipsec --spi 4294967296;;FAIL
-m policy --dir in --pol ipsec --reqid 1 --reqid 2;;FAIL
-m policy --dir in --pol ipsec --spi 1 --spi 2;;FAIL
-m policy --dir in --pol ipsec --proto esp --proto esp;;FAIL
-m policy --dir in --pol ipsec --mode tunnel --mode tunnel;;FAIL
-m policy --dir in --pol ipsec --strict;;FAIL
-m policy --dir in --pol ipsec --next;;FAIL
-m policy --dir in --pol ipsec --reqid 1 --next --reqid 2;;FAIL
-m policy --dir in --pol ipsec --strict --reqid 1 --next;;FAIL
-m policy --dir in --pol ipsec --strict --reqid 1 --next --spi 2 --next --proto esp --next --mode transport;-m policy --dir in --pol ipsec --strict --reqid 1 --next --spi 0x2 --next --proto esp --next --mode transport;OK
-m policy --dir in --pol ipsec --strict --reqid 1 --next --spi 2 --next --proto esp --next --mode transport --next --reqid 5;;FAIL
-m policy --dir out --pol ipsec;;FAIL
@family 4
-m policy --dir in --pol ipsec --mode tunnel --tunnel-src 10.0.0.1 --tunnel-dst 10.0.0.0/24;-m policy --dir in --pol ipsec --mode tunnel --tunnel-dst 10.0.0.0/24 --tunnel-src 10.0.0.1;OK
-m policy --dir in --pol ipsec --mode tunnel ! --tunnel-src 10.0.0.1 ! --tunnel-dst 10.0.0.0/255.255.255.0;-m policy --dir in --pol ipsec --mode tunnel ! --tunnel-dst 10.0.0.0/24 ! --tunnel-src 10.0.0.1;OK
-m policy --dir in --pol ipsec --tunnel-src 10.0.0.1;;FAIL
-m policy --dir in --pol ipsec --tunnel-src ::1;;FAIL
-m policy --dir in --pol ipsec --mode tunnel --tunnel-src 10.0.0.5/24;=;OK
-m policy --dir in --pol ipsec --mode tunnel --tunnel-src 10.0.0.5/255.0.255.0;-m policy --dir in --pol ipsec --mode tunnel --tunnel-src 10.0.0.5;OK
-m policy --dir in --pol ipsec --mode tunnel --tunnel-dst 10.0.0.1 --tunnel-dst 10.0.0.1;;FAIL
-m policy --dir in --pol ipsec --mode tunnel --tunnel-src 0.0.0.0/0;=;OK
@family 6
-m policy --dir in --pol ipsec --mode tunnel --tunnel-src 2001:db8::1 --tunnel-dst 2001:db8::/32;-m policy --dir in --pol ipsec --mode tunnel --tunnel-dst 2001:db8::/32 --tunnel-src 2001:db8::1;OK
-m policy --dir in --pol ipsec --mode tunnel ! --tunnel-src 2001:db8::1 ! --tunnel-dst ::/0;-m policy --dir in --pol ipsec --mode tunnel ! --tunnel-dst ::/0 ! --tunnel-src 2001:db8::1;OK
-m policy --dir in --pol ipsec --tunnel-src 2001:db8::1;;FAIL
@family both
-m policy ! --dir in --pol ipsec;;FAIL
:OUTPUT
-m policy --dir out --pol ipsec;=;OK
-m policy --dir in --pol ipsec;;FAIL
-m policy --dir in --pol none --strict --next;;FAIL
-m policy --dir in --pol none --next;;FAIL
-m policy --dir in --pol ipsec ! --mode transport --reqid 1;;FAIL
-m policy --dir in --dir out;;FAIL
-m policy --pol none;;FAIL
:INPUT
-m policy --dir in --pol ipsec --strict --reqid 1 --spi 0x1 --proto ipcomp;=;OK
