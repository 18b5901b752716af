@family 4
:INPUT
-p tcp -m osf;;FAIL
-p tcp -m osf --genre linux;=;OK
-p tcp -m osf --genre Linux --ttl 0;=;OK
-p tcp -m osf --genre Linux --ttl 1;=;OK
-p tcp -m osf --genre Linux --ttl 2;=;OK
-p tcp -m osf --genre Linux --ttl 3;;FAIL
-p tcp -m osf --genre Linux --log 0;=;OK
-p tcp -m osf --genre Linux --log 1;=;OK
-p tcp -m osf --genre Linux --log 2;=;OK
-p tcp -m osf --genre Linux --log 3;;FAIL
-p tcp -m osf ! --genre Windows --ttl 2 --log 1;=;OK
-p tcp -m osf --genre abcdefghijklmnopqrstuvwxyzabcdefghijkl;-p tcp -m osf --genre abcdefghijklmnopqrstuvwxyzabcde;OK
-p tcp -m osf --genre a --genre b;;FAIL
-p tcp -m osf --genre Linux --ttl x;;FAIL
-p udp -m osf --genre Linux;;FAIL
-m osf --genre Linux;;FAIL
