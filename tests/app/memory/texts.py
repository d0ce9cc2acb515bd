"""Two hundred texts unlike each other: languages, lengths, code, signs."""

from itertools import product

_TOPICS = (
    "the price of bread",
    "a red-black tree",
    "high blood pressure",
    "the moons of Jupiter",
    "my neighbour's parrot",
    "the French Revolution",
    "tax on second-hand cars",
    "a recursive SQL query",
    "the integral of sin(x)/x",
    "a lullaby for robots",
)

_TEMPLATES = (
    "TOPIC",
    "What is TOPIC?",
    "Write a short poem about TOPIC!",
    "Explain TOPIC to a child of six, step by step, and give two examples.",
    "Pourquoi TOPIC est-il important ?",
    "Erkläre mir bitte TOPIC in drei Sätzen.",
    "¿Qué opinas de TOPIC? Responde brevemente.",
    "TOPICについて教えてください。",
    "请用简单的话解释一下 TOPIC。",
    "Расскажи мне про TOPIC, пожалуйста.",
    "اشرح لي TOPIC من فضلك",
    "🙂🚀 TOPIC 🤔???",
    "```python\ndef f(items):\n    return sorted(items, key=lambda item: item.price)  # TOPIC\n```\nWhat is printed?",
    "SELECT name, count(*) FROM orders WHERE note LIKE '%TOPIC%' GROUP BY name;",
    '{"question": "TOPIC", "format": "json", "limit": 10}',
    "TypeError: cannot read properties of undefined\n    at TOPIC (index.js:12:34)",
    "You are a careful assistant. Answer in at most 50 words, in English. Do not guess.\n\nQuestion: TOPIC\nAnswer:",
    "hi, can u plz help me w TOPIC asap thx",
    "Compare the advantages and the disadvantages of TOPIC for a small company. " * 8,
    "Here is a long report on TOPIC; summarise it, and say what is missing, what is wrong and what comes next. " * 20,
)


def varied_texts() -> list[str]:
    return [template.replace("TOPIC", topic) for template, topic in product(_TEMPLATES, _TOPICS)]
