#include "virtio/net.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace {

// §5.1.6.3.1: what a frame may have if the driver takes segmentation offloads, with its header.
constexpr uint32_t kLargestFrameBytes = 65550 + kNetHeaderBytes;

constexpr uint64_t kGuestSegmentation =
    feature(VIRTIO_NET_F_GUEST_TSO4) | feature(VIRTIO_NET_F_GUEST_TSO6) |
    feature(VIRTIO_NET_F_GUEST_UFO) | feature(VIRTIO_NET_F_GUEST_USO4) |
    feature(VIRTIO_NET_F_GUEST_USO6);

}  // namespace

Result<std::unique_ptr<Net>> Net::create(Tap tap, const NetConfig& config, IoEngine& engine,
                                         const NetState& state, uint64_t now_ns) {
    auto net = std::make_unique<Net>(Passkey<Net>(), std::move(tap), config);
    const IoFile file = TRY(engine.add_file(net->tap_.fd()));
    net->receiver_ =
        TRY(NetReceiver::create(engine, file, config.receive_limits, *net, net->metrics_));
    net->transmitter_ =
        TRY(NetTransmitter::create(engine, file, config.transmit_limits, *net, net->metrics_));
    const Result<> done = net->go_on_from(state, now_ns);
    if (!done.ok()) return done.error().about(config.id);
    return net;
}

Result<> Net::go_on_from(const NetState& state, uint64_t now_ns) {
    if (state.receive_limits.has_value()) TRY(receiver_->set_limits(*state.receive_limits, now_ns));
    if (state.transmit_limits.has_value())
        TRY(transmitter_->set_limits(*state.transmit_limits, now_ns));
    return Ok{};
}

Net::Net(Passkey<Net> /*key*/, Tap tap, const NetConfig& config)
    : tap_(std::move(tap)), id_(config.id), has_mtu_(config.mtu.has_value()) {
    config_.mac = config.mac;
    config_.status = VIRTIO_NET_S_LINK_UP;
    config_.mtu = config.mtu.value_or(0);
}

uint64_t Net::offered_features() const {
    const uint64_t features = feature(VIRTIO_NET_F_MAC) | feature(VIRTIO_NET_F_STATUS) |
                              feature(VIRTIO_NET_F_MRG_RXBUF) | tap_.offloads();
    return has_mtu_ ? features | feature(VIRTIO_NET_F_MTU) : features;
}

std::span<const std::byte> Net::config() const {
    return std::as_bytes(std::span(&config_, 1));
}

void Net::attach(VirtioTransport& transport) {
    transport_ = &transport;
    receiver_->attach(transport);
    transmitter_->attach(transport);
}

Result<> Net::activate(uint64_t features) {
    const bool merges = (features & feature(VIRTIO_NET_F_MRG_RXBUF)) != 0;
    const bool takes_large = (features & kGuestSegmentation) != 0;
    receiver_->expect(takes_large ? kLargestFrameBytes : tap_.frame_bytes() + kNetHeaderBytes,
                      merges);
    if (!receiver_->has_tap()) return Ok{};
    const Result<> used = tap_.use(features);
    if (!used.ok()) metrics_.activate_fails.add();
    return used;
}

NetQueue& Net::queue(uint16_t index) const {
    if (index == VIRTIO_NET_RECEIVEQ) return *receiver_;
    return *transmitter_;
}

void Net::start_queue(uint16_t index, Virtqueue queue_of_driver) {
    queue(index).start(std::move(queue_of_driver));
}

void Net::on_kick(uint16_t index) {
    // The loop has woken up, and calls work() in the same round.
    queue(index).on_kick();
}

void Net::stop_queue(uint16_t index) {
    queue(index).stop();
}

bool Net::work(uint64_t now_ns) {
    const bool has_received = receiver_->work(now_ns);
    const bool has_transmitted = transmitter_->work(now_ns);
    return has_received || has_transmitted;
}

bool Net::before_wait() {
    const bool receives = receiver_->before_wait();
    const bool transmits = transmitter_->before_wait();
    return receives || transmits;
}

uint64_t Net::deadline_ns() const {
    return std::min(receiver_->blocked_until_ns().value_or(kNever),
                    transmitter_->blocked_until_ns().value_or(kNever));
}

void Net::wind_down() {
    receiver_->wind_down();
    transmitter_->wind_down();
}

bool Net::is_in_flight() const {
    return receiver_->is_in_flight() || transmitter_->is_in_flight();
}

void Net::tap_is_gone(int error) {
    log_error(Error{"tap", error, "the guest's link is down; it lives on"}.about(id_));
    receiver_->give_up_tap();
    transmitter_->give_up_tap();
    config_.status = 0;
    transport_->set_config(config());
}
