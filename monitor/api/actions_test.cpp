#include "monitor/api/actions.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

TEST(ActionDocument, IsOneOfThree) {
    EXPECT_EQ(parsed(parse_action, "{\"action_type\":\"InstanceStart\"}"),
              ApiAction::kInstanceStart);
    EXPECT_EQ(parsed(parse_action, "{\"action_type\":\"FlushMetrics\"}"), ApiAction::kFlushMetrics);
    EXPECT_EQ(parsed(parse_action, "{\"action_type\":\"SendCtrlAltDel\"}"),
              ApiAction::kSendCtrlAltDel);
    EXPECT_EQ(complaint(parse_action, "{}"), "action_type: is missing");
    for (const char* const action : {"instancestart", "InstanceStart ", "InstanceHalt", ""})
        EXPECT_EQ(complaint(parse_action, std::string("{\"action_type\":\"") + action + "\"}"),
                  "action_type: is none of InstanceStart, FlushMetrics and SendCtrlAltDel");
}

}  // namespace
