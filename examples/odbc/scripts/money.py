"""Amounts as the accountants want them. Private: on no package index."""


def cents(amount):
    return f"{amount // 100}.{amount % 100:02d}"
