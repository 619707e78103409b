// `--net auto` and `--net tap=,guard=` as parts of a VM's Config: the network and the rules are
// made, and from then on the NIC of auto is one whose TAP was inherited. Main thread, before the
// jail is entered.
#pragma once

#include "base/result.hpp"
#include "monitor/auto_net/holder.hpp"
#include "monitor/machine/config.hpp"

// Makes the network and the rules that `config` asks for, if it does, and sets the NIC's `fd` and
// the word for the guest on the command line. `config` is valid, and so it is afterwards. Returns
// what has to be held as long as the VM runs. Errors: those of AutoNet::create() and guard(); no
// room on the command line.
Result<Holder> make_own_network(Config& config);
