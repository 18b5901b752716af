:PREROUTING
*mangle
-j TPROXY;;FAIL
@family 4
-p tcp -j TPROXY --on-port 80;-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
@family 6
-p tcp -j TPROXY --on-port 80;-p tcp -j TPROXY --on-port 80 --on-ip :: --tproxy-mark 0x0/0x0;OK
@family both
@family 4
-p udp -j TPROXY --on-port 0;-p udp -j TPROXY --on-port 0 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
@family 6
-p udp -j TPROXY --on-port 0;-p udp -j TPROXY --on-port 0 --on-ip :: --tproxy-mark 0x0/0x0;OK
@family both
@family 4
-p tcp -j TPROXY --on-port http;-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
@family 6
-p tcp -j TPROXY --on-port http;-p tcp -j TPROXY --on-port 80 --on-ip :: --tproxy-mark 0x0/0x0;OK
@family both
@family 4
-p tcp -j TPROXY --on-port 70000;-p tcp -j TPROXY --on-port 4464 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
@family 6
-p tcp -j TPROXY --on-port 70000;-p tcp -j TPROXY --on-port 4464 --on-ip :: --tproxy-mark 0x0/0x0;OK
@family both
-p tcp -j TPROXY --on-port x;;FAIL
-j TPROXY --on-port 80;;FAIL
-p icmp -j TPROXY --on-port 80;;FAIL
@family 4
-p tcp -j TPROXY --on-port 80 --tproxy-mark 1;-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff;OK
@family 6
-p tcp -j TPROXY --on-port 80 --tproxy-mark 1;-p tcp -j TPROXY --on-port 80 --on-ip :: --tproxy-mark 0x1/0xffffffff;OK
@family both
@family 4
-p tcp -j TPROXY --on-port 80 --tproxy-mark 0x1/0xff;-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xff;OK
@family 6
-p tcp -j TPROXY --on-port 80 --tproxy-mark 0x1/0xff;-p tcp -j TPROXY --on-port 80 --on-ip :: --tproxy-mark 0x1/0xff;OK
@family both
-p tcp -j TPROXY --on-port 80 --tproxy-mark x;;FAIL
-p tcp -j TPROXY --on-port 80 --tproxy-mark 1/x;;FAIL
-p tcp -j TPROXY --on-port 80 --on-port 81;;FAIL
-p tcp -j TPROXY --on-ip 1.2.3.4;;FAIL
@family 4
-p tcp -j TPROXY --on-port 80 --on-ip 127.0.0.1;-p tcp -j TPROXY --on-port 80 --on-ip 127.0.0.1 --tproxy-mark 0x0/0x0;OK
-p tcp -j TPROXY --on-port 80 --on-ip ::1;;FAIL
-p tcp -j TPROXY --on-port 80 --on-ip 127.0.0.1 --tproxy-mark 5/7;-p tcp -j TPROXY --on-port 80 --on-ip 127.0.0.1 --tproxy-mark 0x5/0x7;OK
@family 6
-p tcp -j TPROXY --on-port 80 --on-ip ::1;-p tcp -j TPROXY --on-port 80 --on-ip ::1 --tproxy-mark 0x0/0x0;OK
-p tcp -j TPROXY --on-port 80 --on-ip ::1 --tproxy-mark 5/7;-p tcp -j TPROXY --on-port 80 --on-ip ::1 --tproxy-mark 0x5/0x7;OK
