*mangle
:PREROUTING
-j HMARK;;FAIL
-j HMARK --hmark-mod 5;;FAIL
-j HMARK --hmark-rnd 1 --hmark-mod 6;;FAIL
-j HMARK --hmark-offset 5 --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple src --hmark-mod 5;;FAIL
@family 4
-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
@family 4
-j HMARK --hmark-tuple src,dst --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-tuple src,dst --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-dst-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
@family 4
-j HMARK --hmark-tuple src,dst,sport,dport,proto --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-tuple src,dst,sport,dport,proto --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-dst-prefix 128 --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
@family 4
-j HMARK --hmark-tuple src,dst,sport,dport,proto,ct --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-tuple ct;OK
@family 6
-j HMARK --hmark-tuple src,dst,sport,dport,proto,ct --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-dst-prefix 128 --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-tuple ct;OK
@family both
-j HMARK --hmark-tuple ct --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-tuple ct;OK
@family 4
-j HMARK --hmark-tuple src,spi --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-spi-mask 0xffffffff --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-tuple src,spi --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-spi-mask 0xffffffff --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
-j HMARK --hmark-tuple src,spi,sport --hmark-mod 5 --hmark-rnd 1;;FAIL
@family 4
-j HMARK --hmark-tuple src,src --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-tuple src,src --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
-j HMARK --hmark-tuple xxx --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple src,xxx --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple "" --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple srcx --hmark-mod 5 --hmark-rnd 1;;FAIL
@family 4
-j HMARK --hmark-tuple s --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-tuple s --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
@family 4
-j HMARK --hmark-tuple sp,D --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-dst-prefix 32 --hmark-sport-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-tuple sp,D --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-dst-prefix 128 --hmark-sport-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
-j HMARK --hmark-tuple dp,P,c --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-tuple ct;OK
-j HMARK --hmark-tuple src, --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple ,src --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple src,,dst --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple "src, dst" --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple src --hmark-tuple dst --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple src --hmark-mod 0 --hmark-rnd 1;;FAIL
@family 4
-j HMARK --hmark-tuple src --hmark-mod 4294967295 --hmark-rnd 0xffffffff;-j HMARK --hmark-src-prefix 32 --hmark-rnd 0xffffffff --hmark-mod 4294967295;OK
@family 6
-j HMARK --hmark-tuple src --hmark-mod 4294967295 --hmark-rnd 0xffffffff;-j HMARK --hmark-src-prefix 128 --hmark-rnd 0xffffffff --hmark-mod 4294967295;OK
@family both
-j HMARK --hmark-tuple src --hmark-mod 4294967296 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd x;;FAIL
@family 4
-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 1 --hmark-offset 100;-j HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-offset 100;OK
@family 6
-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 1 --hmark-offset 100;-j HMARK --hmark-src-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-offset 100;OK
@family both
@family 4
-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 1 --hmark-offset 0;-j HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-offset 0;OK
@family 6
-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 1 --hmark-offset 0;-j HMARK --hmark-src-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-offset 0;OK
@family both
-j HMARK --hmark-src-prefix 24 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 24 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 4
-j HMARK --hmark-src-prefix 33 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-src-prefix 33 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 33 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
-j HMARK --hmark-src-prefix 0 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 0 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-src-prefix x --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-src-prefix 24 --hmark-dst-prefix 8 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 24 --hmark-dst-prefix 8 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-sport-mask 0xff00 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-sport-mask 0xff00 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-dport-mask 0xff00 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-dport-mask 0xff00 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-dport-mask 0x10000 --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-sport-mask 0 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-sport-mask 0x0000 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-spi-mask 0xffff --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-spi-mask 0x0000ffff --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-sport 80 --hmark-dport 81 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-sport 0x0050 --hmark-dport 0x0051 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-sport http --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-spi 0x1234 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-spi 0x00001234 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-proto-mask 0xff --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-proto-mask 0xff --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-proto-mask 0x10000 --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-spi 0x1234 --hmark-sport 80 --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-spi-mask 0x1234 --hmark-sport-mask 80 --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-spi-mask 0x1234 --hmark-sport 80 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-spi-mask 0x00001234 --hmark-sport 0x0050 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-spi 0x1234 --hmark-dport-mask 80 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-dport-mask 0x0050 --hmark-spi 0x00001234 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-spi-mask 0x1234 --hmark-spi 80 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-spi-mask 0x00001234 --hmark-spi 0x00000050 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 4
-j HMARK --hmark-src-prefix 24 --hmark-tuple src,dst --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family 6
-j HMARK --hmark-src-prefix 24 --hmark-tuple src,dst --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-dst-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 5;OK
@family both
-j HMARK --hmark-tuple src,dst --hmark-src-prefix 24 --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-src-prefix 24 --hmark-src-prefix 24 --hmark-mod 5;;FAIL
-j HMARK --hmark-tuple src,proto --hmark-proto-mask 5 --hmark-mod 1 --hmark-rnd 0x0f;;FAIL
-j HMARK --hmark-src-prefix 24 --hmark-dst-prefix 16 --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-sport 0x1000 --hmark-mod 1 --hmark-rnd 0x0f --hmark-proto-mask 0xff --hmark-offset 1;-j HMARK --hmark-src-prefix 24 --hmark-dst-prefix 16 --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-sport 0x1000 --hmark-proto-mask 0xff --hmark-rnd 0x0000000f --hmark-mod 1 --hmark-offset 1;OK
-j HMARK ! --hmark-tuple src;;FAIL
-j HMARK --hmark-tuple ct --hmark-proto-mask 5 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-proto-mask 0x05 --hmark-rnd 0x00000001 --hmark-mod 5 --hmark-tuple ct;OK
@family 6
-j HMARK --hmark-src-prefix 64 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 64 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-src-prefix 128 --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 5;OK
-j HMARK --hmark-src-prefix 129 --hmark-mod 5 --hmark-rnd 1;;FAIL
-j HMARK --hmark-dst-prefix ffff:: --hmark-mod 5 --hmark-rnd 1;-j HMARK --hmark-dst-prefix 16 --hmark-rnd 0x00000001 --hmark-mod 5;OK
