// The values of --disk and --net, which are `FIRST,key=value,key` (a comma inside a value is
// written twice), and of --publish. Main thread.
#pragma once

#include "base/result.hpp"
#include "monitor/machine/config.hpp"

// "PATH[,ro][,id=ID][,cache=unsafe|writeback][,bandwidth=SIZE][,ops=N]". `index`: of this drive
// among the drives; it gives a default id. Errors: about `text`.
Result<DriveConfig> parse_disk(const char* text, size_t index);

// "auto[,range=NETWORK][,allow=NETWORK]...[,deny=NETWORK]...[,connections=N][,peers=N]|tap=NAME[,guard=ADDRESS]...|fd=N
// [,mac=M][,mtu=N][,id=ID][,rx-bandwidth=SIZE][,rx-ops=N][,tx-bandwidth=SIZE][,tx-ops=N]". Errors:
// about `text`.
Result<NicConfig> parse_net(const char* text, size_t index);

// "[HOSTIP:]HOSTPORT:GUESTPORT[/tcp|/udp]". Errors: about `text`.
Result<PublishedPort> parse_publish(const char* text);

// "02:00:5e:00:53:01". Errors: EINVAL. A group address, which no NIC should have, is taken.
Result<MacAddress> parse_mac(const char* text);
