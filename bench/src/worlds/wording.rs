//! The words of all worlds. They contain no quotes and no line breaks, so that they stay unchanged
//! in any form of prompt.

/// Answers of items.
pub(super) const LABELS: [&str; 14] = [
    "amber", "cobalt", "coral", "ebony", "fawn", "indigo", "jade", "lilac", "maroon", "ochre",
    "pearl", "russet", "teal", "umber",
];

/// The texts by which an item shows that it needs a rule; one per rule, chosen by the world.
pub(super) const CUES: [&str; 32] = [
    "a refund",
    "a passport",
    "an invoice",
    "a warranty",
    "a parcel",
    "a password",
    "a voucher",
    "a subscription",
    "a timetable",
    "a deposit",
    "a receipt",
    "a licence",
    "a courier",
    "a mortgage",
    "a prescription",
    "a reservation",
    "a donation",
    "a signature",
    "a battery",
    "a delay",
    "a discount",
    "an address",
    "a contract",
    "a translation",
    "an upgrade",
    "a complaint",
    "a transfer",
    "an outage",
    "a certificate",
    "a holiday",
    "a repair",
    "an inspection",
];

/// The actions of rules; one per rule, chosen by the world.
pub(super) const ACTIONS: [&str; 32] = [
    "decide by the country of the sender",
    "read the last sentence before the first",
    "go by the older of the two dates",
    "treat the amount as net of tax",
    "follow the account rather than the person",
    "take the larger of the two figures",
    "ignore whatever stands in brackets",
    "count working days only",
    "prefer the written form over the spoken one",
    "go by who pays in the end",
    "take the first name that is complete",
    "treat silence as consent",
    "decide by the place of delivery",
    "round to the next full unit",
    "go by the tone of the opening",
    "take the newest version as valid",
    "treat both parties as one",
    "leave earlier requests out of account",
    "decide by the language of the reply",
    "go by the shorter deadline",
    "take the sender at their word",
    "treat the copy as the original",
    "go by the month and not the day",
    "decide by the weaker claim",
    "take the stated reason as secondary",
    "treat weekends like any other day",
    "go by the number of items",
    "decide by the channel it came through",
    "take the household as the customer",
    "treat a question as an order",
    "go by the category of the product",
    "decide by what is missing",
];

/// Made-up rules.
pub(super) const HABITS: [&str; 10] = [
    "Always suspect a second meaning behind the words.",
    "Assume that every customer writes in a hurry.",
    "Prefer the rarest label when in doubt.",
    "Weigh the sentence in the middle twice.",
    "Treat every number as a code.",
    "Assume that the sender has written before.",
    "Consider the opposite label first.",
    "Read formal language as displeasure.",
    "Treat short requests as incomplete.",
    "Assume the season matters.",
];

/// Lines about the way to work. What they are worth differs from world to world.
pub(super) const STRATEGIES: [&str; 12] = [
    "List the candidates first and strike them out one by one.",
    "Name the decisive words before you settle on a label.",
    "Compare the request with the closest one you know.",
    "Solve the request twice and keep what agrees.",
    "Start from the end of the request and work backwards.",
    "Put the request into plain words first.",
    "Separate what is asked from what is told.",
    "Decide quickly and do not revise.",
    "Check every assumption against the text.",
    "Imagine the reader who will act on the label.",
    "Look for the exception before the rule.",
    "Break the request into parts and judge each alone.",
];

/// Other words for the first line of a prompt, which a rewriting from scratch chooses from.
pub(super) const OPENINGS: [&str; 8] = [
    "Assign the one fitting label to every request.",
    "You decide which label a request gets.",
    "For each request, find its label.",
    "Your task is to label incoming requests.",
    "Classify the request below.",
    "Act as the clerk who labels requests.",
    "Read the request and determine its label.",
    "Requests arrive one at a time; label each.",
];

/// Lines without effect.
pub(super) const IDLE: [&str; 12] = [
    "Take care with each request.",
    "Think before you answer.",
    "Work through the request line by line.",
    "Stay consistent from one request to the next.",
    "Double-check the label before you reply.",
    "Be precise.",
    "Pay attention to detail.",
    "Use what the request says and nothing else.",
    "Keep the purpose of the request in mind.",
    "Be fair to every sender.",
    "Answer with confidence.",
    "Look at the whole request.",
];

/// Kinds of items, which rules can hurt.
pub(super) const KINDS: [&str; 6] = [
    "a private customer",
    "a small business",
    "a public office",
    "a charity",
    "a school",
    "a wholesaler",
];

/// The first lines of every prompt.
pub(super) const OPENING: [&str; 2] = [
    "Sort each request into its label.",
    "Reply with the label alone, in lower case.",
];

/// The line that spoils the form of answers.
pub(super) const TRAP: &str = "Begin with a short explanation of your choice.";

/// The beginning of an answer in the wrong form.
pub(super) const SPOILT: &str = "Explanation: the request speaks for it. Label:";

/// The number of wordings of a rule.
pub(super) const WORDINGS: usize = 3;

pub(super) fn rule(cue: &str, action: &str, wording: usize) -> String {
    match wording {
        0 => format!("When a request mentions {cue}, {action}."),
        1 => format!("If {cue} comes up, {action}."),
        _ => format!("For anything about {cue}: {action}."),
    }
}

pub(super) fn broad(action: &str) -> String {
    format!("Whatever the request, {action}.")
}

pub(super) fn remark(id: &str, label: &str) -> String {
    format!("The request {id} is answered {label}.")
}

pub(super) fn marker(id: &str) -> String {
    format!("[item {id}]")
}
