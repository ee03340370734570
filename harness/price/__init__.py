"""What it cost: rates from a contract or the public catalogue, and the price of one attempt. Money is Decimal US dollars."""
