"""The service: posts come in by HTTP, people review them on pages, others read what was found.

`app.create_app` joins the parts; `api` speaks JSON, `pages` speak HTML, `access` says who may do what. No
model runs here: posts are assessed by the processes of `assess`, and all SQL stands in `store`.
"""
