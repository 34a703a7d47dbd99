"""What properties an object has, and the properties API.

Sources: pages "Properties API" (create, unique identifier properties: at most ten for an object, only at creation),
"Contacts", "Companies", "Deals" (default properties), CRM data model. The sets here are a subset: the fields that
providers.md 1.1 lists, their neighbours, and the read-only ones that every answer carries.
"""

from simulator.exchange import Answer

from .answers import VendorError, bad_input, missing_scopes, not_found, objects_of

UNIQUE_MAX = 10
TEXT = "firstname lastname phone mobilephone fax jobtitle company website address city state zip country salutation " \
       "message industry hubspot_owner_id date_of_birth twitterhandle annualrevenue hs_additional_emails"
STAGES = ["subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer",
          "evangelist", "other"]
LEAD_STATUS = ["NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED",
               "BAD_TIMING"]
INDUSTRIES = ["ACCOUNTING", "AIRLINES_AVIATION", "AUTOMOTIVE", "BANKING", "BIOTECHNOLOGY", "CHEMICALS",
              "COMPUTER_SOFTWARE", "CONSTRUCTION", "EDUCATION_MANAGEMENT", "ENTERTAINMENT", "FINANCIAL_SERVICES",
              "HOSPITAL_HEALTH_CARE", "INFORMATION_TECHNOLOGY_AND_SERVICES", "INSURANCE", "INTERNET", "LAW_PRACTICE",
              "MACHINERY", "MANAGEMENT_CONSULTING", "REAL_ESTATE", "RESTAURANTS", "RETAIL", "TELECOMMUNICATIONS"]
DEAL_STAGES = ["appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "decisionmakerboughtin",
               "contractsent", "closedwon", "closedlost"]
KINDS = {"string": ("text", "textarea", "phonenumber", "html", "file"), "number": ("number", "calculation_equation"),
         "date": ("date",), "datetime": ("date",), "bool": ("booleancheckbox",),
         "enumeration": ("select", "radio", "checkbox", "booleancheckbox"), "phone_number": ("phonenumber",)}
GROUPS = {"contacts": ["contactinformation"], "companies": ["companyinformation"], "deals": ["dealinformation"]}
NAMES = {"contacts": "CONTACT", "companies": "COMPANY", "deals": "DEAL"}
KINDS_OF_PATHS = {"contacts": "contacts", "contact": "contacts", "0-1": "contacts", "companies": "companies",
                  "company": "companies", "0-2": "companies", "deals": "deals", "deal": "deals", "0-3": "deals"}
SYSTEM = "hs_object_id hs_object_source hs_object_source_id hs_object_source_label"
OWN = {
    "contacts": "createdate lastmodifieddate hs_all_contact_vids hs_email_domain hs_full_name_or_email hs_is_contact "
                "hs_is_unworked hs_pipeline hs_merged_object_ids hs_searchable_calculated_phone_number "
                "hs_searchable_calculated_mobile_number num_associated_deals",
    "companies": "createdate hs_lastmodifieddate hs_merged_object_ids hs_searchable_calculated_phone_number "
                 "num_associated_contacts num_associated_deals hs_num_child_companies hs_pipeline",
    "deals": "hs_lastmodifieddate hs_is_closed hs_is_closed_won days_to_close amount_in_home_currency "
             "hs_merged_object_ids num_associated_contacts",
}
READ_ONLY_KINDS = {"createdate": "datetime", "lastmodifieddate": "datetime", "hs_lastmodifieddate": "datetime",
                   "hs_object_id": "number"}


def kind_of(name: str) -> str:
    """The object of a path segment. Raises VendorError."""
    if name not in KINDS_OF_PATHS:
        raise VendorError(400, f"Unable to infer object type from: {name}")
    return KINDS_OF_PATHS[name]


class Property:
    """One definition. `pattern` (a regular expression, not part of the vendor's API) stands for an administrator's
    validation rule, which from 2026-09 on every write path enforces."""

    def __init__(self, name, kind="string", options=(), read_only=False, unique=False, group="", label="", field=None,
                 defined=True, pattern=None, multiple=False):
        self.name, self.kind, self.options = name, kind, list(options)
        self.read_only, self.unique, self.group, self.label = read_only, unique, group, label or name
        self.field = field or ("checkbox" if multiple else KINDS.get(kind, ("text",))[0])
        self.defined, self.pattern, self.multiple = defined, pattern, multiple or field == "checkbox"
        self.archived = False

    def shown(self) -> dict:
        return {
            "name": self.name, "label": self.label, "type": self.kind, "fieldType": self.field, "description": "",
            "groupName": self.group, "displayOrder": -1, "calculated": False, "externalOptions": False,
            "options": [{"label": value, "value": value, "displayOrder": place, "hidden": False}
                        for place, value in enumerate(self.options)],
            "hasUniqueValue": self.unique, "hidden": False, "formField": not self.read_only, "archived": self.archived,
            "hubspotDefined": self.defined, "dataSensitivity": "non_sensitive",
            "modificationMetadata": {"archivable": not self.defined, "readOnlyDefinition": self.defined,
                                     "readOnlyValue": self.read_only},
        }


def defaults(kind: str) -> list:
    read_only = [Property(name, READ_ONLY_KINDS.get(name, "string"), read_only=True)
                 for name in (SYSTEM + " " + OWN[kind]).split()]
    if kind == "contacts":
        return read_only + [Property(name) for name in TEXT.split()] + [
            Property("email", unique=True), Property("lifecyclestage", "enumeration", STAGES),
            Property("hs_lead_status", "enumeration", LEAD_STATUS), Property("associatedcompanyid", "number"),
        ]
    if kind == "companies":
        text = "name domain website phone address address2 city state zip country description timezone founded_year " \
               "hubspot_owner_id linkedin_company_page twitterhandle hs_additional_domains"
        return read_only + [Property(name) for name in text.split()] + [
            Property("industry", "enumeration", INDUSTRIES), Property("numberofemployees", "number"),
            Property("annualrevenue", "number"), Property("is_public", "bool", ["true", "false"]),
            Property("type", "enumeration", ["PROSPECT", "PARTNER", "RESELLER", "VENDOR", "OTHER"]),
            Property("lifecyclestage", "enumeration", STAGES),
        ]
    return read_only + [
        Property("dealname"), Property("description"), Property("hubspot_owner_id"), Property("amount", "number"),
        Property("dealstage", "enumeration", DEAL_STAGES), Property("pipeline", "enumeration", ["default"]),
        Property("closedate", "datetime"), Property("createdate", "datetime"),
        Property("dealtype", "enumeration", ["newbusiness", "existingbusiness"]),
        Property("hs_priority", "enumeration", ["low", "medium", "high"]),
        Property("deal_currency_code", "enumeration", ["USD", "EUR", "GBP"]),
    ]


class Schema:
    """The properties of one account, by object and name."""

    def __init__(self):
        self.properties = {kind: {entry.name: entry for entry in defaults(kind)} for kind in OWN}
        for kind, entries in self.properties.items():
            for entry in entries.values():
                entry.group = GROUPS[kind][0]
        self.groups = {kind: list(names) for kind, names in GROUPS.items()}

    def get(self, kind: str, name: str):
        entry = self.properties[kind].get(name)
        return None if entry is None or entry.archived else entry

    def unique(self, kind: str) -> list:
        return [entry for entry in self.properties[kind].values() if entry.unique and not entry.archived]

    def define(self, kind: str, source: dict) -> Property:
        """A custom property as the API or a plan file gives it. Raises VendorError."""
        for member in ("name", "label", "type", "fieldType", "groupName"):
            if not isinstance(source.get(member), str) or not source[member]:
                raise bad_input(f'Some required fields were not set: [{member}]')
        name, form, field = source["name"], source["type"], source["fieldType"]
        if name != name.lower() or not all(letter.isalnum() or letter == "_" for letter in name) or not name[0].isalpha():
            raise VendorError(400, f"The property name '{name}' is not valid.", "VALIDATION_ERROR")
        if field not in KINDS.get(form, ()):
            raise VendorError(400, f"Property type {form} can't have field type {field}.", "VALIDATION_ERROR")
        if source["groupName"] not in self.groups[kind]:
            raise VendorError(400, f"property group '{source['groupName']}' does not exist", "VALIDATION_ERROR")
        if self.get(kind, name) is not None:
            raise VendorError(409, f"A property named '{name}' already exists.", "OBJECT_ALREADY_EXISTS")
        unique = source.get("hasUniqueValue") is True
        custom = [entry for entry in self.unique(kind) if not entry.defined]
        if unique and (form not in ("string", "number") or len(custom) >= UNIQUE_MAX):
            raise VendorError(400, f"A property with unique values can't be created: at most {UNIQUE_MAX} of type "
                                   "string or number for an object.", "VALIDATION_ERROR")
        options = [str(option.get("value")) for option in objects_of(source.get("options"), "options")]
        entry = Property(name, form, options, unique=unique, group=source["groupName"], label=source["label"],
                         field=field, defined=False, pattern=source.get("pattern"))
        self.properties[kind][name] = entry
        return entry


def scope(call, write: bool):
    """The schema scope of an object. Raises VendorError."""
    need = f"crm.schemas.{call.kind}.{'write' if write else 'read'}"
    if not call.token.allows(need, *([] if write else [f"crm.objects.{call.kind}.read"])):
        raise missing_scopes([need])


def list_all(call) -> Answer:
    scope(call, write=False)
    shown = [entry.shown() for entry in call.portal.schema.properties[call.kind].values() if not entry.archived]
    return Answer(200, {"results": shown})


def read_one(call) -> Answer:
    scope(call, write=False)
    entry = call.portal.schema.get(call.kind, call.names["property"])
    if entry is None:
        raise VendorError(404, f"Unable to find property '{call.names['property']}'.", "OBJECT_NOT_FOUND")
    return Answer(200, entry.shown())


def create_one(call) -> Answer:
    scope(call, write=True)
    entry = call.portal.schema.define(call.kind, call.object())
    call.commit.begin_input()
    call.commit.note("property_created", object=call.kind, id=entry.name, unique=entry.unique)
    return Answer(201, entry.shown())


def archive_one(call) -> Answer:
    scope(call, write=True)
    entry = call.portal.schema.get(call.kind, call.names["property"])
    if entry is None:
        raise not_found()
    if entry.defined:
        raise VendorError(400, f"Property {entry.name} can't be archived.", "VALIDATION_ERROR")
    call.commit.begin_input()
    entry.archived = True
    call.commit.note("property_archived", object=call.kind, id=entry.name)
    return Answer(204, None)


def list_groups(call) -> Answer:
    scope(call, write=False)
    names = call.portal.schema.groups[call.kind]
    return Answer(200, {"results": [{"name": name, "label": name, "displayOrder": -1, "archived": False}
                                    for name in names]})
