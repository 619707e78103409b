#include "monitor/auto_net/connections.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include "monitor/auto_net/netlink.hpp"

Result<> forget_former_connections(uint32_t mark) {
    NetlinkMessages messages;
    messages.begin(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK,
                   nfgenmsg{.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0});
    messages.put_be32(CTA_MARK, mark & kMarkOfNumber);
    messages.put_be32(CTA_MARK_MASK, kMarkOfNumber);
    return send_and_confirm(TRY(open_netlink(NETLINK_NETFILTER)), messages, 1, "conntrack");
}
