#include "CProtocolFiles.h"

// One line a file. A test compares this list with the folder.
#define FILES(FILE)                                                     \
    FILE(errors, "errors.json")                                         \
    FILE(openrpc, "openrpc.json")                                       \
    FILE(providers_hubspot, "providers/hubspot.json")                   \
    FILE(providers_local, "providers/local.json")                       \
    FILE(schemas_event, "schemas/event.json")                           \
    FILE(schemas_manifest, "schemas/manifest.json")                     \
    FILE(schemas_record, "schemas/record.json")                         \
    FILE(schemas_result, "schemas/result.json")                         \
    FILE(schemas_session, "schemas/session.json")                       \
    FILE(schemas_transfer, "schemas/transfer.json")                     \
    FILE(schemas_type, "schemas/type.json")                             \
    FILE(types, "types.json")                                           \
    FILE(types_accounting_customer, "types/accounting-customer.json")   \
    FILE(types_accounting_invoice, "types/accounting-invoice.json")     \
    FILE(types_accounting_payment, "types/accounting-payment.json")     \
    FILE(types_accounting_product, "types/accounting-product.json")     \
    FILE(types_activity, "types/crm-activity.json")                     \
    FILE(types_company, "types/crm-company.json")                       \
    FILE(types_contact, "types/crm-contact.json")                       \
    FILE(types_deal, "types/crm-deal.json")                             \
    FILE(types_lead, "types/crm-lead.json")                             \
    FILE(types_note, "types/crm-note.json")                             \
    FILE(types_product, "types/crm-product.json")                       \
    FILE(types_task, "types/crm-task.json")

static const unsigned char errors[] = {
#embed "../../protocol/errors.json"
};
static const unsigned char openrpc[] = {
#embed "../../protocol/openrpc.json"
};
static const unsigned char providers_hubspot[] = {
#embed "../../protocol/providers/hubspot.json"
};
static const unsigned char providers_local[] = {
#embed "../../protocol/providers/local.json"
};
static const unsigned char schemas_event[] = {
#embed "../../protocol/schemas/event.json"
};
static const unsigned char schemas_manifest[] = {
#embed "../../protocol/schemas/manifest.json"
};
static const unsigned char schemas_record[] = {
#embed "../../protocol/schemas/record.json"
};
static const unsigned char schemas_result[] = {
#embed "../../protocol/schemas/result.json"
};
static const unsigned char schemas_session[] = {
#embed "../../protocol/schemas/session.json"
};
static const unsigned char schemas_transfer[] = {
#embed "../../protocol/schemas/transfer.json"
};
static const unsigned char schemas_type[] = {
#embed "../../protocol/schemas/type.json"
};
static const unsigned char types[] = {
#embed "../../protocol/types.json"
};
static const unsigned char types_accounting_customer[] = {
#embed "../../protocol/types/accounting-customer.json"
};
static const unsigned char types_accounting_invoice[] = {
#embed "../../protocol/types/accounting-invoice.json"
};
static const unsigned char types_accounting_payment[] = {
#embed "../../protocol/types/accounting-payment.json"
};
static const unsigned char types_accounting_product[] = {
#embed "../../protocol/types/accounting-product.json"
};
static const unsigned char types_activity[] = {
#embed "../../protocol/types/crm-activity.json"
};
static const unsigned char types_company[] = {
#embed "../../protocol/types/crm-company.json"
};
static const unsigned char types_contact[] = {
#embed "../../protocol/types/crm-contact.json"
};
static const unsigned char types_deal[] = {
#embed "../../protocol/types/crm-deal.json"
};
static const unsigned char types_lead[] = {
#embed "../../protocol/types/crm-lead.json"
};
static const unsigned char types_note[] = {
#embed "../../protocol/types/crm-note.json"
};
static const unsigned char types_product[] = {
#embed "../../protocol/types/crm-product.json"
};
static const unsigned char types_task[] = {
#embed "../../protocol/types/crm-task.json"
};

#define ENTRY(name, path) {path, name, (long)sizeof name},
static const struct pushgate_protocol_file table[] = {FILES(ENTRY)};

int pushgate_protocol_file_count(void) { return (int)(sizeof table / sizeof table[0]); }

struct pushgate_protocol_file pushgate_protocol_file(int index) {
    struct pushgate_protocol_file none = {0, 0, 0};
    return index >= 0 && index < pushgate_protocol_file_count() ? table[index] : none;
}
