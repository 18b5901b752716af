:INPUT,FORWARD,OUTPUT
@family 4
-j REJECT;-j REJECT --reject-with icmp-port-unreachable;OK
@family 6
-j REJECT;-j REJECT --reject-with icmp6-port-unreachable;OK
@family both
-p tcp -j REJECT --reject-with tcp-reset;=;OK
-j REJECT --reject-with tcp-reset;;FAIL
! -p tcp -j REJECT --reject-with tcp-reset;;FAIL
-p udp -j REJECT --reject-with tcp-reset;;FAIL
-j REJECT --reject-with foo;;FAIL
-j REJECT ! --reject-with tcp-reset;;FAIL
@family 4
-j REJECT --reject-with icmp-net-unreachable;=;OK
-j REJECT --reject-with icmp-host-unreachable;=;OK
-j REJECT --reject-with icmp-proto-unreachable;=;OK
-j REJECT --reject-with icmp-port-unreachable;=;OK
-j REJECT --reject-with icmp-net-prohibited;=;OK
-j REJECT --reject-with icmp-host-prohibited;=;OK
-j REJECT --reject-with icmp-admin-prohibited;=;OK
-j REJECT --reject-with net-unreach;-j REJECT --reject-with icmp-net-unreachable;OK
-j REJECT --reject-with host-unreach;-j REJECT --reject-with icmp-host-unreachable;OK
-j REJECT --reject-with proto-unreach;-j REJECT --reject-with icmp-proto-unreachable;OK
-j REJECT --reject-with port-unreach;-j REJECT --reject-with icmp-port-unreachable;OK
-j REJECT --reject-with net-prohib;-j REJECT --reject-with icmp-net-prohibited;OK
-j REJECT --reject-with host-prohib;-j REJECT --reject-with icmp-host-prohibited;OK
-j REJECT --reject-with admin-prohib;-j REJECT --reject-with icmp-admin-prohibited;OK
-p tcp -j REJECT --reject-with tcp-rst;-p tcp -j REJECT --reject-with tcp-reset;OK
-j REJECT --reject-with icmp-;-j REJECT --reject-with icmp-net-unreachable;OK
-j REJECT --reject-with icmp-h;-j REJECT --reject-with icmp-host-unreachable;OK
-j REJECT --reject-with ICMP-PORT;-j REJECT --reject-with icmp-port-unreachable;OK
-j REJECT --reject-with t;;FAIL
-p tcp -j REJECT --reject-with t;-p tcp -j REJECT --reject-with tcp-reset;OK
-j REJECT --reject-with echo-reply;;FAIL
-j REJECT --reject-with "";-j REJECT --reject-with icmp-net-unreachable;OK
-j REJECT --reject-with icmp-net-unreachablex;;FAIL
-j REJECT --reject-with icmp6-no-route;;FAIL
-j REJECT --reject-with icmp-net-unreachable --reject-with tcp-reset;;FAIL
@family 6
-j REJECT --reject-with icmp6-no-route;=;OK
-j REJECT --reject-with no-route;-j REJECT --reject-with icmp6-no-route;OK
-j REJECT --reject-with icmp6-adm-prohibited;=;OK
-j REJECT --reject-with adm-prohibited;-j REJECT --reject-with icmp6-adm-prohibited;OK
-j REJECT --reject-with admin-prohibited;;FAIL
-j REJECT --reject-with icmp6-addr-unreachable;=;OK
-j REJECT --reject-with addr-unreach;-j REJECT --reject-with icmp6-addr-unreachable;OK
-j REJECT --reject-with icmp6-port-unreachable;=;OK
-j REJECT --reject-with port-unreach;-j REJECT --reject-with icmp6-port-unreachable;OK
-j REJECT --reject-with icmp6-policy-fail;=;OK
-j REJECT --reject-with policy-fail;-j REJECT --reject-with icmp6-policy-fail;OK
-j REJECT --reject-with icmp6-reject-route;=;OK
-j REJECT --reject-with reject-route;-j REJECT --reject-with icmp6-reject-route;OK
-j REJECT --reject-with beyond-scope;;FAIL
-j REJECT --reject-with icmp6-;-j REJECT --reject-with icmp6-no-route;OK
-j REJECT --reject-with "";-j REJECT --reject-with icmp6-no-route;OK
-p tcp -j REJECT --reject-with tcp;-p tcp -j REJECT --reject-with tcp-reset;OK
@family both
*nat
:PREROUTING
-j REJECT;;FAIL
