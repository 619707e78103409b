#include "monitor/api/actions.hpp"

#include "monitor/api/fields.hpp"

Result<ApiAction> parse_action(const JsonNode& body) {
    constexpr Words<ApiAction, 3> kActions{
        "is none of InstanceStart, FlushMetrics and SendCtrlAltDel",
        {{{"InstanceStart", ApiAction::kInstanceStart},
          {"FlushMetrics", ApiAction::kFlushMetrics},
          {"SendCtrlAltDel", ApiAction::kSendCtrlAltDel}}}};
    JsonFields fields = TRY(JsonFields::of(body));
    const ApiAction action = TRY(parse_required_word(fields, "action_type", kActions));
    TRY(fields.done());
    return action;
}

Result<HttpResponse> act(ApiAction action, Controller& controller) {
    switch (action) {
        case ApiAction::kInstanceStart:
            TRY(controller.start_instance());
            break;
        case ApiAction::kFlushMetrics:
            TRY(controller.expect(When::kAfter));
            TRY(controller.observation().flush_metrics());
            break;
        case ApiAction::kSendCtrlAltDel:
            TRY(controller.expect(When::kAfter));
            TRY(controller.running().vm.send_ctrl_alt_del());
            break;
    }
    return HttpResponse{};
}
