import{p as o,v as e}from"./c-WCYX3T6G.js";function m(){return e("div",{class:"page-head",children:e("h1",{children:o("common.page.schedules")})})}export{m as Schedules};
