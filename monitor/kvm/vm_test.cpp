#include "monitor/kvm/vm.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <optional>
#include <span>

#include "monitor/kvm/kvm.hpp"
#include "monitor/kvm/pit.hpp"

namespace {

class VmStateKvm : public testing::Test {
protected:
    void SetUp() override {
        auto kvm = Kvm::open();
        if (!kvm.ok()) GTEST_SKIP() << kvm.error().what << " /dev/kvm";
        kvm_.emplace(std::move(kvm).value());
    }
    Vm make_vm() const {
        Vm vm(kvm_->create_vm().value());
        EXPECT_TRUE(vm.create_irqchip().ok());
        return vm;
    }

private:
    std::optional<Kvm> kvm_;
};

bool same(const kvm_irqchip& left, const kvm_irqchip& right) {
    return std::ranges::equal(std::as_bytes(std::span(&left, 1)),
                              std::as_bytes(std::span(&right, 1)));
}

TEST_F(VmStateKvm, IsTheSameInAnotherVm) {
    const Vm first = make_vm();
    VmState state = first.save(PitPresence::kNone).value();
    EXPECT_FALSE(state.pit.has_value());
    constexpr uint8_t kMask = 0xa5;
    state.pic_master.chip.pic.imr = kMask;
    state.pic_slave.chip.pic.irq_base = 0x70;
    state.ioapic.chip.ioapic.redirtbl[5].fields.vector = 0x31;
    state.pic_slave.chip_id = UINT32_MAX;  // not taken from it
    const Vm second = make_vm();
    ASSERT_TRUE(second.restore(state).ok());
    const VmState again = second.save(PitPresence::kNone).value();
    EXPECT_EQ(again.pic_master.chip.pic.imr, kMask);
    EXPECT_EQ(again.pic_slave.chip.pic.irq_base, 0x70);
    EXPECT_EQ(again.ioapic.chip.ioapic.redirtbl[5].fields.vector, 0x31);
    EXPECT_TRUE(same(again.pic_master, state.pic_master));
    state.pic_slave.chip_id = KVM_IRQCHIP_PIC_SLAVE;
    EXPECT_TRUE(same(again.pic_slave, state.pic_slave));
    EXPECT_TRUE(same(again.ioapic, state.ioapic));
}

TEST_F(VmStateKvm, HasAPitWhereOneWasMade) {
    const Vm first = make_vm();
    kvm_pit_state2 pit = pit_after_reset();
    constexpr uint16_t kControlWord = 0x34;
    write_untouched_pit(pit, pit_port::kControl, kControlWord);
    pit.channels[0].count = 11932;
    ASSERT_TRUE(first.create_pit(pit).ok());
    const VmState state = first.save(PitPresence::kMade).value();
    const Vm second = make_vm();
    ASSERT_TRUE(second.restore(state).ok());
    const VmState again = second.save(PitPresence::kMade).value();
    ASSERT_TRUE(state.pit.has_value() && again.pit.has_value());
    EXPECT_EQ(again.pit->channels[0].count, 11932U);
    EXPECT_EQ(again.pit->channels[0].mode, state.pit->channels[0].mode);
    EXPECT_EQ(again.pit->channels[2].gate, 0);
}

TEST_F(VmStateKvm, GoesOnWithItsClock) {
    constexpr uint64_t kHoursInNs = 3'600'000'000'000;
    VmState state = make_vm().save(PitPresence::kNone).value();
    state.clock.clock += kHoursInNs;
    const Vm second = make_vm();
    ASSERT_TRUE(second.restore(state).ok());
    EXPECT_GE(second.save(PitPresence::kNone).value().clock.clock, state.clock.clock);
}

TEST_F(VmStateKvm, IsAtLeastAPageOfXsave) {
    EXPECT_GE(make_vm().xsave_bytes(), 4096U);
}

}  // namespace
