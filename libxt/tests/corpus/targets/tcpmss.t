:FORWARD,OUTPUT,POSTROUTING
*mangle
-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 1400;=;OK
-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --clamp-mss-to-pmtu;=;OK
-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 0;=;OK
@family 4
-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 65515;=;OK
@family 6
-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 65515;;FAIL
@family both
-j TCPMSS --set-mss 1400;;FAIL
-p tcp -j TCPMSS --set-mss 1400;;FAIL
-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 65516;;FAIL
-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS;;FAIL
-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400 --clamp-mss-to-pmtu;-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu;OK
