// The bytes are a kernel's command line. The network that is found in it has a netmask, which is
// one, and a name server that is an address.
#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rootfs/init/network.hpp"

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string line(data, data + size);
    const auto found = find_network(line);
    if (!found) return 0;
    check(line.find("mayfly.net=") != std::string::npos);
    const uint32_t hosts = ~ntohl(found->netmask);
    check((hosts & (hosts + 1)) == 0);
    in_addr address{};
    const std::string name_server(found->name_server);
    check(name_server.empty() || ::inet_pton(AF_INET, name_server.c_str(), &address) == 1);
    return 0;
}
