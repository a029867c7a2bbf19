"""Your own log: columns of other names, a mess in some rows, two models compared on what each person did last."""

from __future__ import annotations

from pathlib import Path

import llmrec
from llmrec.data import toy_films

OUT = Path("runs/examples/own_data")


def write_a_shop_s_files(folder: Path) -> None:
    """Stand in for your files: orders (customer, sku, ordered_at, paid) and products (sku, name, brand)."""
    data = toy_films(n_items=30, n_users=200)
    folder.mkdir(parents=True, exist_ok=True)
    orders = data.events.to_pandas().rename(columns={"user_id": "customer", "item_id": "sku"})
    orders["ordered_at"] = orders.pop("timestamp")
    orders["paid"] = 9.5
    orders.loc[len(orders)] = [None, "3", 1_700_000_000, 9.5]  # an order of nobody
    orders.to_csv(folder / "orders.csv", index=False)
    products = data.catalog.table.to_pandas().rename(columns={"item_id": "sku", "title": "name"})
    products["brand"] = ["acme" if n % 2 else "apex" for n in range(len(products))]
    products.to_csv(folder / "products.csv", index=False)


def main() -> None:
    """Read, clean, split, fit, compare, recommend."""
    write_a_shop_s_files(OUT)
    columns = {
        "user_id": "customer",
        "item_id": "sku",
        "timestamp": "ordered_at",
        "price": "paid",
        "title": "name",
    }
    data = llmrec.Dataset.from_csv(OUT / "orders.csv", items=OUT / "products.csv", columns=columns)
    print(data)
    split = llmrec.Split.leave_last_out(data)
    models = {}
    for name in ("markov", "popularity"):
        recipe = llmrec.Recipe.load(name)
        models[name] = llmrec.fit(recipe, data, split, OUT / name, resume=True, progress=False)
    report = llmrec.evaluate(models, split)
    report.save(OUT / "report")  # report.html and report.json
    print(report.table.select("model", "ndcg@10", "ndcg@10_low", "ndcg@10_high"))
    ann = llmrec.Histories.of({"ann": ["3", "4"]})
    print(models["markov"].recommend(ann, k=3, filter=llmrec.Filter("brand = acme")))


if __name__ == "__main__":
    main()
