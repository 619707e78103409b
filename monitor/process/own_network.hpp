// `--net auto` as a part of a VM's Config: the network is made, and from then on its NIC is one
// whose TAP was inherited. Main thread, before the jail is entered.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/machine/config.hpp"

// Makes the network that `config` asks for, if it does, and sets the NIC's `fd` and the word for
// the guest on the command line. `config` is valid, and so it is afterwards. Returns
// what has to stay open as long as the VM runs; nothing where there is no such NIC. Errors: those
// of AutoNet::create(); no room on the command line.
Result<UniqueFd> make_own_network(Config& config);
