:INPUT,FORWARD,OUTPUT
@family 4
-m recent --set;-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --set;-m recent --set --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent ! --set;-m recent ! --set --name DEFAULT --mask 255.255.255.255 --rsource;OK
@family 6
-m recent ! --set;-m recent ! --set --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent --rcheck;-m recent --rcheck --name DEFAULT --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --rcheck;-m recent --rcheck --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent --update --hitcount 8 --name foo --rsource;-m recent --update --hitcount 8 --name foo --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --update --hitcount 8 --name foo --rsource;-m recent --update --hitcount 8 --name foo --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent --rcheck --hitcount 8 --name foo --rdest;-m recent --rcheck --hitcount 8 --name foo --mask 255.255.255.255 --rdest;OK
@family 6
-m recent --rcheck --hitcount 8 --name foo --rdest;-m recent --rcheck --hitcount 8 --name foo --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rdest;OK
@family both
@family 4
-m recent --set --name a --rsource;-m recent --set --name a --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --set --name a --rsource;-m recent --set --name a --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent --set --rdest;-m recent --set --name DEFAULT --mask 255.255.255.255 --rdest;OK
@family 6
-m recent --set --rdest;-m recent --set --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rdest;OK
@family both
@family 4
-m recent --remove;-m recent --remove --name DEFAULT --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --remove;-m recent --remove --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent --remove --name x;-m recent --remove --name x --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --remove --name x;-m recent --remove --name x --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent --rcheck --seconds 60 --reap;-m recent --rcheck --seconds 60 --reap --name DEFAULT --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --rcheck --seconds 60 --reap;-m recent --rcheck --seconds 60 --reap --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent --rcheck --seconds 60 --hitcount 5 --rttl;-m recent --rcheck --seconds 60 --hitcount 5 --rttl --name DEFAULT --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --rcheck --seconds 60 --hitcount 5 --rttl;-m recent --rcheck --seconds 60 --hitcount 5 --rttl --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
-m recent --update --seconds 0;;FAIL
-m recent --update --seconds a;;FAIL
-m recent --rcheck --reap;;FAIL
-m recent --set --rttl;;FAIL
-m recent --set --hitcount 5;;FAIL
-m recent --set --reap;;FAIL
-m recent --set --seconds 5;;FAIL
-m recent --set --rcheck;;FAIL
-m recent;;FAIL
@family 4
-m recent --set --name 1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789;-m recent --set --name 1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --set --name 1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789;-m recent --set --name 1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
@family 4
-m recent --set --name 12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890;-m recent --set --name 1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 --mask 255.255.255.255 --rsource;OK
@family 6
-m recent --set --name 12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890;-m recent --set --name 1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
@family both
-m recent --set --name "";;FAIL
-m recent --set --name a/b;;FAIL
@family 4
-m recent --set --rsource --rdest;-m recent --set --name DEFAULT --mask 255.255.255.255 --rdest;OK
@family 6
-m recent --set --rsource --rdest;-m recent --set --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rdest;OK
@family both
-m recent --set --set;;FAIL
@family 4
-m recent --set --mask 255.255.0.0;-m recent --set --name DEFAULT --mask 255.255.0.0 --rsource;OK
-m recent --set --mask 24;-m recent --set --name DEFAULT --mask 0.0.0.24 --rsource;OK
-m recent --rcheck ! --rsource;;FAIL
@family 6
-m recent --set --mask ffff::;-m recent --set --name DEFAULT --mask ffff:: --rsource;OK
